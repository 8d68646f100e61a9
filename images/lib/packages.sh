# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# packages.sh: fetch Debian packages and unpack them, with apt and dpkg-deb but without root.
#
# apt-get runs on a state of its own (lists, status and cache under IMAGES/.store), so the host's
# packages neither matter nor change. Its status file claims that the packages named in `absent` are
# installed; that keeps them, and all that they alone would pull in (perl, debconf, …), out.
# mmdebstrap was weighed and not taken: where user namespaces are refused, as in a chroot, its modes
# want root, and of all it does only "download" and "dpkg-deb --fsys-tarfile" are needed.

# Packages that configure other packages, or that our own init and busybox stand in for.
readonly ABSENT_ALWAYS=(adduser cron cron-daemon debconf debianutils dpkg init-system-helpers
	initramfs-tools install-info libpam-runtime linux-base logrotate logsave lsb-base mount passwd
	perl perl-base sensible-utils sysvinit-utils tar ucf udev usrmerge)

readonly TRIES=3

# Fill $sources with apt's one-line format. The host's own mirror is the one that is known to be
# reachable (a company's, a proxy's), so it comes first where the host is Debian.
find_sources() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg opts='' uri release component origin
	local main='' updates='' security='' codename='' targets
	[ ! -f "$keyring" ] || opts="[signed-by=$keyring] "
	if [ -n "${LABCTL_MIRROR:-}" ]; then
		sources="deb $opts$LABCTL_MIRROR $SUITE main"
		return
	fi
	if grep -qs '^ID=debian$' /etc/os-release; then
		# shellcheck source=/dev/null
		codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
		# Not by process substitution: that wants /dev/fd, and so a mounted /proc.
		# shellcheck disable=SC2016 # apt expands these, not the shell
		targets=$(apt-get indextargets 'Identifier: Packages' \
			--format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)' 2>/dev/null) || targets=''
		while IFS='|' read -r uri release component origin; do
			[ "$component" = main ] || continue
			case $origin in '' | Debian) ;; *) continue ;; esac
			case $uri in http://* | https://* | file:*) ;; *) continue ;; esac
			case $release in
			"$codename" | stable | oldstable) main=${main:-$uri} ;;
			"$codename-updates") updates=${updates:-$uri} ;;
			"$codename-security") security=${security:-$uri} ;;
			esac
		done <<<"$targets"
	fi
	if [ -z "$main" ]; then
		main=http://deb.debian.org/debian
		updates=$main
		security=http://deb.debian.org/debian-security
	fi
	sources="deb $opts$main $SUITE main"
	[ -z "$updates" ] || sources+=$'\n'"deb $opts$updates $SUITE-updates main"
	[ -z "$security" ] || sources+=$'\n'"deb $opts$security $SUITE-security main"
}

# Make apt's private state for these sources, and `apt_opts`, which points apt-get at it. The host's
# apt.conf stays in force: a proxy or its credentials are set there.
setup_apt() {
	local pkg
	find_sources
	APT=$STORE/apt-$(sha256sum <<<"$sources $ARCH" | cut -c1-8)
	mkdir -p "$APT/lists/partial" "$STORE/debs/partial"
	printf '%s\n' "$sources" >"$APT/sources.list"

	# A package that is asked for by name is not absent.
	for pkg in "${ABSENT_ALWAYS[@]}" "${absent[@]}"; do
		[[ " ${packages[*]} " != *" $pkg "* ]] || continue
		printf '%s\n' "Package: $pkg" "Status: install ok installed" "Architecture: $ARCH" \
			"Multi-Arch: foreign" "Version: 99:9999" "Maintainer: labctl" "Description: -" ''
	done >"$WORK/status"

	apt_opts=(-o "Dir::Etc::sourcelist=$APT/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o "Dir::State=$APT" -o "Dir::State::lists=$APT/lists" -o "Dir::State::status=$WORK/status"
		-o "Dir::State::extended_states=$WORK/extended"
		-o "Dir::Cache=$APT" -o "Dir::Cache::archives=$STORE/debs"
		-o "Dir::Log=$WORK" -o "Dir::Log::Terminal=" -o "Dir::Log::History="
		-o "APT::Architecture=$ARCH" -o "APT::Architectures=$ARCH" -o APT::Sandbox::User=
		-o APT::Install-Recommends=false -o APT::Keep-Downloaded-Packages=true
		-o APT::Update::Post-Invoke= -o DPkg::Post-Invoke= -o DPkg::Use-Pty=0
		-o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30
		-o APT::Update::Error-Mode=any -qq --yes)
}

# Run a command up to TRIES times: mirrors have bad moments, most of all while they sync. What apt
# complained of is in the log.
retry() {
	local n pause=2
	for ((n = 1; ; n++)); do
		! run "$@" || return 0
		[ $n -lt $TRIES ] || return 1
		say "$step did not work (try $n of $TRIES): $(apt_complaint); again in $pause s"
		# The lists may be from before the mirror changed: fetch them anew too.
		rm -f "$APT/updated"
		run sleep $pause
		pause=$((pause * 3))
		[ "$step" = "fetching package lists" ] || run apt-get "${apt_opts[@]}" update || true
	done
}

# apt's last error on one line: where it names an address, that is worth more than its summing-up.
apt_complaint() {
	local line
	line=$(grep -E '^[EW]: Failed to fetch' "$LOG" | tail -n 1) ||
		line=$(grep -E '^(E|W|Err):' "$LOG" | tail -n 1) || line="apt-get gives no reason"
	sed -E 's/^(E|W|Err):[0-9]* *//' <<<"${line:0:300}"
}

# Download $packages and all that they need, once for all images.
fetch_packages() {
	# libc-bin for the locale C.UTF-8, in which a shell takes typed UTF-8 for letters.
	packages+=("$kernel" bash busybox-static iproute2 kmod libc-bin ncurses-base)
	step="setting up apt"
	setup_apt
	exec {apt_fd}>"$STORE/.lock-apt"
	flock "$apt_fd"

	step="fetching package lists"
	if [ -z "$(find "$APT/updated" -mmin -60 2>/dev/null)" ]; then
		say "fetching package lists from $(sed -n 's/.*\(\(http\|file\)[^ ]*\).*/\1/p;q' \
			<<<"$sources")"
		if retry apt-get "${apt_opts[@]}" update; then
			: >"$APT/updated"
		elif [ -n "$(find "$APT/lists" -name '*_Packages*' | head -n 1)" ]; then
			say "no fresh package lists ($(apt_complaint)); going on with those from before"
		else
			fail "$(apt_complaint)" \
				"is the mirror reachable? Try again later, or name another one in \$LABCTL_MIRROR"
		fi
	fi

	step="working out dependencies"
	: >"$WORK/plan"
	apt-get "${apt_opts[@]}" --simulate install "${packages[@]}" >"$WORK/plan" 2>>"$LOG" ||
		fail "$(apt_complaint)" "does each package that $RECIPE/recipe.sh names exist in $SUITE?"
	step="downloading packages"
	say "downloading $(grep -c '^Inst ' "$WORK/plan") packages (those not in $STORE/debs)"
	retry apt-get "${apt_opts[@]}" --download-only install "${packages[@]}" ||
		fail "$(apt_complaint)" \
			"is the mirror reachable? Try again later, or name another one in \$LABCTL_MIRROR"
	collect_debs
	run apt-get "${apt_opts[@]}" autoclean || true
	exec {apt_fd}>&-
}

# Link this build's packages into $WORK/debs, out of reach of another build's autoclean. The plan's
# lines read "Inst NAME (VERSION ORIGIN [ARCH])".
collect_debs() {
	local line name version arch file
	mkdir "$WORK/debs"
	# The mirror may have moved on while the download was retried.
	apt-get "${apt_opts[@]}" --simulate install "${packages[@]}" >"$WORK/plan" 2>>"$LOG" ||
		fail "$(apt_complaint)"
	while read -r line; do
		[[ $line =~ ^Inst\ ([^ ]+)\ \(([^ ]+)\ .*\[([a-z0-9]+)\] ]] || continue
		name=${BASH_REMATCH[1]} version=${BASH_REMATCH[2]//:/%3a} arch=${BASH_REMATCH[3]}
		file=$STORE/debs/${name}_${version}_$arch.deb
		[ -f "$file" ] || fail "apt-get did not download $(basename "$file")" "try again"
		ln "$file" "$WORK/debs/" 2>/dev/null || cp "$file" "$WORK/debs/"
	done <"$WORK/plan"
}

# Unpack everything into $ROOT. Ownership does not matter (the squashfs makes all of it root's), and
# what nobody reads in a guest is left in the archive.
unpack_packages() {
	local deb dir
	step="unpacking packages"
	say "unpacking"
	# Debian 12 has one /usr, but its packages still ship /bin, /sbin and /lib: tar is told to
	# follow these links.
	for dir in bin sbin lib lib32 lib64 libx32; do
		mkdir -p "$ROOT/usr/$dir"
		ln -s "usr/$dir" "$ROOT/$dir"
	done
	for deb in "$WORK"/debs/*.deb; do
		must unpack_one "$deb" disk
	done
}

# wants NAME: whether the recipe keeps what is usually left out.
wants() {
	[[ " ${keep[*]} " == *" $1 "* ]]
}

unpack_one() {
	local unwanted=()
	wants systemd || unwanted+=(--exclude='./lib/systemd' --exclude='./usr/lib/systemd')
	wants zoneinfo || unwanted+=(--exclude='./usr/share/zoneinfo')
	dpkg-deb --fsys-tarfile "$1" | tar -x -C "$ROOT" --keep-directory-symlink --no-same-owner \
		--same-permissions --delay-directory-restore \
		--exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/info' \
		--exclude='./usr/share/locale' --exclude='./usr/share/lintian' \
		--exclude='./usr/share/bug' --exclude='./usr/share/doc-base' \
		--exclude='./usr/share/bash-completion' --exclude='./usr/lib/*-linux-gnu/perl*' \
		--exclude='./usr/share/perl*' --exclude='./usr/lib/*/gconv' "${unwanted[@]}"
}
