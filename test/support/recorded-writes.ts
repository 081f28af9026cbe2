/**
 * Records where this process writes. Replaces the functions of node:fs that change something with
 * ones that record the real path of the changed file or folder, following links like the system.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';

type Call = (...args: never[]) => unknown;

const table = fs as unknown as Record<string, Call>;
const { realpathSync, lstatSync, constants } = fs;

/** Indices of arguments that are changed paths, for functions that do not follow a final link. */
const CHANGING: Readonly<Record<string, readonly number[]>> = {
  mkdirSync: [0],
  renameSync: [0, 1],
  rmSync: [0],
  rmdirSync: [0],
  unlinkSync: [0],
  linkSync: [1],
  symlinkSync: [1],
  cpSync: [1],
};

/** The same for functions that follow a final link. */
const FOLLOWING: Readonly<Record<string, readonly number[]>> = {
  writeFileSync: [0],
  appendFileSync: [0],
  truncateSync: [0],
  copyFileSync: [1],
  chmodSync: [0],
  utimesSync: [0],
};

/** Runs `action` and returns the real paths of everything that it changed, or tried to. */
export async function recordedWrites(action: () => unknown): Promise<readonly string[]> {
  const written: string[] = [];
  const originals: Record<string, Call> = {};
  const replace = (name: string, targets: (args: readonly unknown[]) => readonly string[]) => {
    const original = table[name];
    originals[name] = original;
    table[name] = (...args) => {
      // before the call, since the link may not exist afterwards
      written.push(...targets(args));
      return original(...args);
    };
  };
  for (const [name, indices] of Object.entries(CHANGING))
    replace(name, args => indices.map(i => ownPath(String(args[i]))));
  for (const [name, indices] of Object.entries(FOLLOWING))
    replace(name, args =>
      indices.filter(i => typeof args[i] === 'string').map(i => followed(String(args[i]))),
    );
  replace('openSync', ([path, flags]) => opened(String(path), flags));
  syncBuiltinESMExports();
  try {
    await action();
  } finally {
    Object.assign(table, originals);
    syncBuiltinESMExports();
  }
  return written;
}

/**
 * The paths that opening a file may change; empty if it only reads, or refuses to follow a link.
 */
function opened(path: string, flags: unknown): readonly string[] {
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  if (typeof flags === 'number') {
    if ((flags & (constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT)) === 0) return [];
    const refuses = (flags & constants.O_NOFOLLOW) !== 0 || (flags & constants.O_EXCL) !== 0;
    return isLink && refuses ? [] : [followed(path)];
  }
  const text = String(flags ?? 'r');
  if (!/[wa+]/.test(text)) return [];
  return isLink && text.includes('x') ? [] : [followed(path)];
}

/** The real path of the entry itself, without following it. */
function ownPath(path: string): string {
  return join(real(dirname(resolve(path))), basename(resolve(path)));
}

function followed(path: string): string {
  const own = ownPath(path);
  if (!lstatSync(own, { throwIfNoEntry: false })?.isSymbolicLink()) return own;
  try {
    return realpathSync(own);
  } catch {
    // the target does not exist yet, or the links form a cycle
    const target = resolve(dirname(own), fs.readlinkSync(own));
    return target === own ? own : target;
  }
}

/** The real path of the existing part, and the rest. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : join(real(dirname(path)), basename(path));
  }
}
