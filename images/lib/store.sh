# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# store.sh: where images lie, what names them, and how a finished one is put in place.
#
#   IMAGES/NAME            -> .store/NAME-KEY        swapped by rename(2)
#   IMAGES/.store/NAME-KEY/                          appliance.yaml and the files it names, MD5SUMS
#   IMAGES/.store/blobs/SHA256                       kernels and initramfs: one copy for all images
#   IMAGES/.store/debs/, apt/                        downloaded packages, package lists
#   IMAGES/.store/.lock-NAME, .lock-apt              flock(2)
#   IMAGES/.store/.tmp-NAME.XXXXXX/                  a build under way

default_images() {
	if [ "$(id -u)" = 0 ]; then
		echo /var/lib/labctl/images
	else
		echo "${XDG_DATA_HOME:-$HOME/.local/share}/labctl/images"
	fi
}

list_recipes() {
	local file
	for file in "$RECIPES"/*/recipe.sh; do
		basename "$(dirname "$file")"
	done
}

free_space() {
	df -h --output=avail "$1" 2>/dev/null | tail -n 1 | tr -d ' '
}

# Everything that decides what the image will be. Names are relative to the folders and modes are left
# out, so that a recipe has the same key in the source tree and where it is installed.
image_key() {
	{
		echo "labctl-image 1 $SUITE $ARCH"
		(cd "$LIB" && find . -type f ! -name '.*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
		(cd "$RECIPE" && find . -type f ! -name '.*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
	} | sha256sum | cut -c1-16
}

# A forced rebuild of the same key goes to NAME-KEY.N: files that a running lab uses never change.
is_current() {
	local link
	link=$(readlink "$IMAGES/$NAME" 2>/dev/null) || return 1
	case $link in
	".store/$NAME-$KEY" | ".store/$NAME-$KEY".*) [ -f "$IMAGES/$link/appliance.yaml" ] ;;
	*) return 1 ;;
	esac
}

# Say which commands are missing, and which packages bring them.
check_commands() {
	local missing='' cmd pkg
	while read -r cmd pkg; do
		command -v "$cmd" >/dev/null || missing+=" $cmd(package $pkg)"
	done <<-EOF
	apt-get apt
	as binutils
	cpio cpio
	depmod kmod
	dpkg-deb dpkg
	flock util-linux
	ld binutils
	lz4 lz4
	mkfs.ext4 e2fsprogs
	mksquashfs squashfs-tools
	objcopy binutils
	tar tar
	xz xz-utils
	zstd zstd
	EOF
	[ -z "$missing" ] || fail "commands are missing:$missing" \
		"install what building needs: apt-get install $(xargs <"$LIB/host-packages.txt")"
}

# Wait for another build of this image. The lock goes with the process, however it ends; then what
# killed builds left behind can be removed, since whoever holds the lock is the only one there is.
lock_image() {
	local old
	exec {lock_fd}>"$STORE/.lock-$NAME"
	if ! flock -n "$lock_fd"; then
		say "another build of this image is running; waiting for it"
		flock "$lock_fd"
	fi
	for old in "$STORE/.tmp-$NAME".??????; do
		remove_tree "$old"
	done
}

# rm -rf for trees out of packages, which may hold folders without write permission.
remove_tree() {
	[ -d "$1" ] || return 0
	chmod -R u+rwX "$1" 2>/dev/null || true
	rm -rf "$1"
}

# Put a file that several images share into $OUT: one inode for all where the file system has hard
# links, so that twenty guests of three images share one kernel in the page cache.
share_blob() {
	local from=$1 name=$2 blob
	mkdir -p "$STORE/blobs"
	blob=$STORE/blobs/$(sha256sum "$from" | cut -d' ' -f1)
	chmod 644 "$from"
	if [ ! -f "$blob" ]; then
		cp "$from" "$blob.$$"
		mv "$blob.$$" "$blob"
	fi
	ln "$blob" "$OUT/$name" 2>/dev/null || cp "$from" "$OUT/$name"
}

# Make the image visible, at one stroke.
publish() {
	step="putting the image in place"
	local dir=$NAME-$KEY n=1
	while [ -e "$STORE/$dir" ]; do
		dir=$NAME-$KEY.$((n++))
	done
	if [ -e "$IMAGES/$NAME" ] && [ ! -L "$IMAGES/$NAME" ]; then
		fail "$IMAGES/$NAME is there and is not a built image" "move it away, then build again"
	fi
	# What `labctl image verify` holds the files against.
	(cd "$OUT" && find . -maxdepth 1 -type f ! -name appliance.yaml ! -name MD5SUMS -printf '%f\0' | LC_ALL=C sort -z |
		xargs -0 md5sum >MD5SUMS) || fail "cannot compute checksums"
	sync -f "$OUT" 2>/dev/null || true
	mv -T "$OUT" "$STORE/$dir"
	ln -s ".store/$dir" "$WORK/link"
	mv -T "$WORK/link" "$IMAGES/$NAME"
	OUT=$STORE/$dir
	drop_old "$dir"
}

# Keep the image that was current until now, because labs may be running on it; drop older ones, and
# the blobs that no image links to.
drop_old() {
	local dir kept=0 blob
	while IFS= read -r dir; do
		# NAME-KEY or NAME-KEY.N; not those of another image whose name begins alike.
		[[ ${dir#"$NAME"-} =~ ^[0-9a-f]{16}(\.[0-9]+)?$ ]] || continue
		[ "$dir" != "$1" ] || continue
		kept=$((kept + 1))
		[ $kept -le 1 ] || remove_tree "$STORE/$dir"
	done <<<"$(cd "$STORE" && ls -1dt -- "$NAME"-* 2>/dev/null)"
	for blob in "$STORE"/blobs/*; do
		# A fresh blob with one link may belong to a build under way.
		find "$blob" -links 1 -mmin +60 -delete 2>/dev/null || true
	done
}
