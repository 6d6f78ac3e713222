# files.S - the page's files, as they are in this folder.
.macro file name, path
    .globl file_\name, file_\name\()_end
file_\name:
    .incbin "\path"
file_\name\()_end:
.endm

    .section .rodata
    file page_html, "frontend/inspect/page.html"
    file page_css, "frontend/inspect/page.css"
    file page_js, "frontend/inspect/page.js"
    file views_js, "frontend/inspect/views.js"
    file blocks_js, "frontend/inspect/blocks.js"
    file icon_svg, "docs/desktop/ring3.svg"

    .section .note.GNU-stack, "", @progbits
