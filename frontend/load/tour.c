/* tour.c - the guest of -tour as a file: loaders read files, also again after a reset, when none can be opened any
 * more. */
#define _GNU_SOURCE
#include "frontend/load/tour.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

extern const u8 tour_guest[], tour_guest_end[]; /* bios/tour/image.S */

bool tour_image(Image *i, Problem *p)
{
    size_t bytes = (size_t)(tour_guest_end - tour_guest);
    *i = (Image){.path = "tour", .option = "-tour", .bytes = (u32)bytes};
    i->fd = memfd_create("ring3-tour", MFD_CLOEXEC);
    if (i->fd < 0) return problem_set(p, "-tour: %s", strerror(errno));
    if (write(i->fd, tour_guest, bytes) == (ssize_t)bytes) return true;
    problem_set(p, "-tour: the host has no memory for it");
    image_close(i);
    return false;
}
