/* confine.h - what the live page's server may still do once browsers come. */
#ifndef RING3_INSPECT_CONFINE_H
#define RING3_INSPECT_CONFINE_H

/* inspect_confine - for good. A kernel without seccomp leaves it at no-new-privileges. */
void inspect_confine(void);

#endif
