/* keys.h - how a key of the PC keyboard is named between its drivers, the monitor and the 8042: by its set 1 make code.
 *
 * The 83 to 105 keys of a PC/AT keyboard (IBM Technical Reference; USB HID to PS/2 translation table): the make code
 * of scan code set 1, with 80h added for those that send an E0 prefix. Two are irregular: KEY_PAUSE and KEY_PRINT.
 */
#ifndef RING3_KEYS_H
#define RING3_KEYS_H

enum {
    KEY_E0 = 0x80,
    KEY_ESC = 0x01,
    KEY_BACKSPACE = 0x0e,
    KEY_TAB = 0x0f,
    KEY_ENTER = 0x1c,
    KEY_CTRL = 0x1d,
    KEY_SHIFT = 0x2a,
    KEY_SHIFT_R = 0x36,
    KEY_ALT = 0x38,
    KEY_SPACE = 0x39,
    KEY_F1 = 0x3b,
    KEY_DELETE = KEY_E0 | 0x53,
    KEY_PRINT = KEY_E0 | 0x37, /* Alt+Print is SysRq, 54h */
    KEY_PAUSE = KEY_E0 | 0x46, /* sends E1 1D 45 E1 9D C5 and nothing on release; with Ctrl: E0 46 E0 C6 */
};

/* buttons of the mouse, as its first byte has them */
enum { MOUSE_LEFT = 1, MOUSE_RIGHT = 2, MOUSE_MIDDLE = 4, MOUSE_SIDE = 8, MOUSE_EXTRA = 16 };

#endif
