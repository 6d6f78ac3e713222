/* pcap.h - dump=FILE: all frames of a cable, for tcpdump and Wireshark. See pcap.c. */
#ifndef RING3_NET_PCAP_H
#define RING3_NET_PCAP_H

#include "frontend/say.h"

bool pcap_open(const char *path, Problem *p); /* an empty path: there is none */
void pcap_frame(const u8 *frame, u32 n);
void pcap_flush(void);

/* --- for tests --- */
enum { PCAP_HEADER = 24, PCAP_RECORD = 16 };
void pcap_header(u8 to[PCAP_HEADER]);
void pcap_record(u8 to[PCAP_RECORD], u64 unix_us, u32 n);

#endif
