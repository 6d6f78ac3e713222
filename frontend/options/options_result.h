/* options_result.h - what became of an option. */
#ifndef RING3_OPTIONS_RESULT_H
#define RING3_OPTIONS_RESULT_H

typedef enum OptionsResult {
    OPTIONS_RUN,
    OPTIONS_DONE, /* help or version was printed: exit 0 */
    OPTIONS_BAD,  /* said on stderr: exit 1 */
} OptionsResult;

#endif
