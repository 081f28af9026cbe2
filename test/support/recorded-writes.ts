/**
 * Where this process writes: the functions of node:fs that change something are exchanged for ones
 * that note which file or folder they really change, links followed as the system follows them.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';

type Call = (...args: never[]) => unknown;

const table = fs as unknown as Record<string, Call>;
const { realpathSync, lstatSync, constants } = fs;

/** Which of its arguments are paths that it changes, links in their last part not followed. */
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

/** Those that follow a link in the last part. */
const FOLLOWING: Readonly<Record<string, readonly number[]>> = {
  writeFileSync: [0],
  appendFileSync: [0],
  truncateSync: [0],
  copyFileSync: [1],
  chmodSync: [0],
  utimesSync: [0],
};

/** Runs `action` and gives the real path of everything that it changed, or tried to. */
export async function recordedWrites(action: () => unknown): Promise<readonly string[]> {
  const written: string[] = [];
  const originals: Record<string, Call> = {};
  const replace = (name: string, targets: (args: readonly unknown[]) => readonly string[]) => {
    const original = table[name];
    originals[name] = original;
    table[name] = (...args) => {
      // before the call: afterwards the link may be gone
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
 * What an opening may change; nothing where it only reads, or does not follow the link that is
 * there.
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

/** The path of the entry itself. */
function ownPath(path: string): string {
  return join(real(dirname(resolve(path))), basename(resolve(path)));
}

/** Where the entry leads, through as many links as there are. */
function followed(path: string): string {
  const own = ownPath(path);
  if (!lstatSync(own, { throwIfNoEntry: false })?.isSymbolicLink()) return own;
  try {
    return realpathSync(own);
  } catch {
    // it leads to what is not there yet, or round in a circle
    const target = resolve(dirname(own), fs.readlinkSync(own));
    return target === own ? own : target;
  }
}

/** The real path of the part that is there, and the rest. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : join(real(dirname(path)), basename(path));
  }
}
