// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the parts of the decoder share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/decode.h"

#define DECODE_DEPTH_MAX 4u /* frames within frames */

/* Bytes of a frame. Reading beyond the end gives zeros, so that no reader can go wrong. */
struct view {
    const uint8_t *data;
    size_t size;
    unsigned depth; /* of encapsulation */
};

/* view_get() - @count (1 to 4) bytes as a number, most significant first; 0 if they are not there.
 */
uint32_t view_get(const struct view *view, size_t at, size_t count);
/* view_has() - Are @count bytes there at @at? */
bool view_has(const struct view *view, size_t at, size_t count);
/* view_from() - What comes after @at bytes. */
struct view view_from(const struct view *view, size_t at);
/* view_part() - At most @count bytes from @at. */
struct view view_part(const struct view *view, size_t at, size_t count);

/* decode_say() - Add to the info, as far as there is room. */
void decode_say(struct decode *decode, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* decode_say_text() - Add bytes of the frame that should be text. */
void decode_say_text(struct decode *decode, const struct view *view, size_t at, size_t count);
/* decode_say_mac(), decode_say_ipv4() - Add an address. */
void decode_say_mac(struct decode *decode, const struct view *view, size_t at);
void decode_say_ipv4(struct decode *decode, const struct view *view, size_t at);
/* decode_name() - Set the protocol. */
void decode_name(struct decode *decode, const char *protocol);
/* decode_pick() - Name of a value, "type N" if it has none. */
const char *decode_pick(const char *const *names, size_t count, uint32_t value, char *room,
                        size_t size);

/* Of each: the view begins at the protocol's header. */
void decode_ethernet(struct view view, struct decode *decode);
void decode_ipv4(struct view view, struct decode *decode);
void decode_ipv6(struct view view, struct decode *decode);
void decode_mpls(struct view view, struct decode *decode);
void decode_ospf(struct view view, struct decode *decode);
void decode_isis(struct view view, struct decode *decode);
void decode_stp(struct view view, struct decode *decode);
void decode_lldp(struct view view, struct decode *decode);
void decode_lacp(struct view view, struct decode *decode);
void decode_bgp(struct view view, struct decode *decode);
void decode_dhcp(struct view view, struct decode *decode);
void decode_bfd(struct view view, struct decode *decode);
void decode_vxlan(struct view view, struct decode *decode);
