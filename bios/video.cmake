# The video BIOS, build/bios/vgabios.bin: video_*.c and the fonts as one 16-bit segment (see video.h). The same flags
# in every build type: it runs in the guest. font.h is made of the drawings by hand (font_gen.c); a test holds it to them.
set(VIDEO_DIR ${CMAKE_SOURCE_DIR}/bios)
set(VIDEO_OUT ${CMAKE_BINARY_DIR}/bios)
file(MAKE_DIRECTORY ${VIDEO_OUT})
set(VIDEO_SOURCES)
foreach(part entry.S font.c main.c mode.c palette.c state.c text.c vbe.c)
  list(APPEND VIDEO_SOURCES ${VIDEO_DIR}/video_${part})
endforeach()
set(VIDEO_FLAGS -m16 -march=i386 -Os -std=gnu11 -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns
                -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
                -fno-strict-aliasing -fno-jump-tables -fomit-frame-pointer -ffixed-ebp -mregparm=3 -mpreferred-stack-boundary=2
                -mstringop-strategy=byte_loop -wrapper sh,${VIDEO_DIR}/segments.sh
                -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wvla -Werror
                --param=min-pagesize=0) # address 0 is memory

add_executable(video_pack bios/video_pack.c)
add_custom_command(
  OUTPUT ${VIDEO_OUT}/vgabios.bin
  COMMAND ${CMAKE_C_COMPILER} ${VIDEO_FLAGS} -nostdlib -static -no-pie
          -Wl,--build-id=none,--no-warn-rwx-segments,-T,${VIDEO_DIR}/video.ld -o vgabios.elf ${VIDEO_SOURCES}
  COMMAND ${CMAKE_OBJCOPY} -O binary -j .rom vgabios.elf vgabios.raw
  COMMAND video_pack vgabios.raw vgabios.bin
  DEPENDS ${VIDEO_SOURCES} ${VIDEO_DIR}/video.h ${VIDEO_DIR}/font.h ${VIDEO_DIR}/video.ld ${VIDEO_DIR}/segments.sh video_pack
  WORKING_DIRECTORY ${VIDEO_OUT}
  COMMENT "Building the video BIOS"
  VERBATIM)
add_custom_target(vgabios ALL DEPENDS ${VIDEO_OUT}/vgabios.bin)
install(FILES ${VIDEO_OUT}/vgabios.bin DESTINATION share/ring3)

add_executable(font_gen bios/font_gen.c)
