/* files.c - which file is at which path. */
#include "frontend/inspect/files.h"

#define FILE_BYTES(name) extern const u8 file_##name[], file_##name##_end[]
FILE_BYTES(page_html);
FILE_BYTES(page_css);
FILE_BYTES(page_js);
FILE_BYTES(views_js);
FILE_BYTES(blocks_js);
FILE_BYTES(icon_svg);

#define FILE(path, type, name)                                                                               \
    {                                                                                                        \
        path, type, file_##name, file_##name##_end                                                           \
    }
static const PageFile files[] = {
    FILE("/", "text/html; charset=utf-8", page_html),
    FILE("/page.css", "text/css; charset=utf-8", page_css),
    FILE("/page.js", "text/javascript; charset=utf-8", page_js),
    FILE("/views.js", "text/javascript; charset=utf-8", views_js),
    FILE("/blocks.js", "text/javascript; charset=utf-8", blocks_js),
    FILE("/icon.svg", "image/svg+xml", icon_svg),
};

const PageFile *page_file(const char *path)
{
    for (unsigned n = 0; n < ARRAY_LEN(files); n++)
        if (!strcmp(path, files[n].path)) return &files[n];
    return NULL;
}
