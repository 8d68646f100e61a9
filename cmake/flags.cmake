# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler and linker flags that hold for every target, and the helper that makes a folder a library.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(PkgConfig REQUIRED)

add_compile_definitions(_GNU_SOURCE LABCTL_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wformat=2 -Wvla -Werror -fno-strict-aliasing)

if(LABCTL_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

if(LABCTL_HARDEN)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# labctl_folder(NAME SOURCES… [PUBLIC_DEPS …] [DEPS …] [PKGS …]): the library labctl_NAME.
# Headers are included as "folder/header.h" from src/; nothing else is on the include path.
function(labctl_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PKGS" ${ARGN})
  add_library(labctl_${name} STATIC ${ARG_SOURCES})
  target_include_directories(labctl_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(labctl_${name} PUBLIC labctl_${dep})
  endforeach()
  foreach(pkg IN LISTS ARG_PKGS)
    pkg_check_modules(PKG_${pkg} REQUIRED IMPORTED_TARGET ${pkg})
    target_link_libraries(labctl_${name} PUBLIC PkgConfig::PKG_${pkg})
  endforeach()
endfunction()

# labctl_program(NAME SOURCES… LINKS…): a program beside the others; helpers install to libexec.
function(labctl_program name)
  cmake_parse_arguments(ARG "HELPER" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  if(ARG_HELPER)
    install(TARGETS ${name} DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/labctl)
  else()
    install(TARGETS ${name} DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()
