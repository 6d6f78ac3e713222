/* profiles.c - see profiles.h. Devices are those that the system has drivers for on its own media; sizes are well within
 * what its installer can handle. */
#include "frontend/vm/profiles.h"

const Profile profiles[] = {
    {"dos", "MS-DOS, FreeDOS", 14, 16, "512M",
     "cpu = 486\n# Games count rounds of loops: 33 million instructions a second; max is as fast as it goes.\nspeed = 33\n"
     "device = sb16\nrtc = base=localtime\n"},
    {"win31", "Windows 3.1 on DOS", 15, 16, "512M",
     "cpu = 486\ndevice = sb16\nnic = user,model=ne2k_isa\nrtc = base=localtime\n"},
    {"win98", "Windows 95 and 98", 17, 128, "8G",
     "cpu = pentium2\ndevice = sb16\nnic = user,model=ne2k_pci\nrtc = base=localtime\n"},
    {"win2000", "Windows NT 4 and 2000", 58, 256, "16G",
     "cpu = pentium3\ndevice = sb16\nnic = user,model=pcnet\nrtc = base=localtime\n"},
    {"xp", "Windows XP", 67, 512, "20G", "cpu = pentium3\nnic = user,model=pcnet\nrtc = base=localtime\n"},
    {"os2", "OS/2", 12, 64, "2G",
     "cpu = pentium\ndevice = sb16\nnic = user,model=ne2k_isa\nrtc = base=localtime\n"},
    {"linux-old", "Linux up to about 2010", 36, 256, "8G", "cpu = pentium3\nnic = user,model=pcnet\n"},
    {"other", "anything else", 1, 256, "8G", "nic = user,model=pcnet\n"},
    {0},
};

const Profile *profile_find(const char *word)
{
    for (const Profile *p = profiles; p->word; p++)
        if (!strcmp(p->word, word)) return p;
    return NULL;
}

const Profile *profile_by_cim(u32 cim)
{
    const Profile *p = profiles;
    while (p[1].word && p->cim != cim) p++; /* the last is "other" */
    return p;
}
