/**
 * Names and links that lead elsewhere: whatever is done with them, nothing outside the output root
 * is written.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, sep } from 'node:path';
import { EXIT, UserError } from '../../src/util/errors.js';
import { recordedWrites } from '../support/recorded-writes.js';
import { indexCases, zipCases } from './hostile-content.js';
import { linkCases } from './hostile-links.js';
import { nameCases, pathCases } from './hostile-names.js';

/** A fresh pair of folders. */
export interface Place {
  /** Where may be written. */
  readonly root: string;
  /** Beside it, with files that must stay as they are. */
  readonly outside: string;
}

export interface HostileCase {
  readonly name: string;
  /** Sets the trap. */
  prepare?(place: Place): void;
  /** What a run does; it may throw user errors. */
  act(place: Place): unknown;
}

export interface HostileReport {
  readonly cases: number;
  /** Writes that were tried, all told. */
  readonly writes: number;
  readonly failures: readonly string[];
}

export const HOSTILE: readonly HostileCase[] = [
  ...nameCases(),
  ...pathCases(),
  ...indexCases(),
  ...zipCases(),
  ...linkCases(),
];

export async function tryHostile(cases: readonly HostileCase[], folder: string): Promise<HostileReport> {
  const failures: string[] = [];
  let writes = 0;
  for (const [number, one] of cases.entries()) {
    const place = makePlace(join(folder, String(number)));
    one.prepare?.(place);
    const before = fingerprint(place.outside);
    let complaint: string | undefined;
    const written = await recordedWrites(async () => {
      complaint = await attempt(one, place);
    });
    writes += written.length;
    const [escaped] = written.filter(path => path !== place.root && !path.startsWith(place.root + sep));
    if (escaped !== undefined) complaint = `writes to ${escaped}`;
    if (fingerprint(place.outside) !== before) complaint = 'changes what lies outside';
    if (complaint !== undefined) failures.push(`${one.name}: ${complaint}`);
    rmSync(join(folder, String(number)), { recursive: true });
  }
  return { cases: cases.length, writes, failures };
}

/** What came out that is no user's error. */
async function attempt(one: HostileCase, place: Place): Promise<string | undefined> {
  try {
    await one.act(place);
    return undefined;
  } catch (error) {
    return isAnswer(error) ? undefined : String(error instanceof Error ? error.stack : error);
  }
}

function isAnswer(error: unknown): boolean {
  // a link in the way of a write is a file that cannot be written
  return (
    error instanceof UserError &&
    [EXIT.usage, EXIT.damaged, EXIT.unexpected].some(code => code === error.exitCode)
  );
}

function makePlace(base: string): Place {
  const place = { root: join(base, 'root'), outside: join(base, 'outside') };
  mkdirSync(place.root, { recursive: true });
  mkdirSync(join(place.outside, 'folder'), { recursive: true });
  writeFileSync(join(place.outside, 'file'), 'must stay');
  writeFileSync(join(place.outside, 'folder', 'step-00000009.safetensors'), 'no checkpoint');
  writeFileSync(join(place.outside, 'folder', '.tmp-1-file'), 'must stay too');
  return place;
}

/** Names, links and contents of all that is below `folder`. */
function fingerprint(folder: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return JSON.stringify(
    names.map(name => {
      const path = join(folder, name);
      const info = lstatSync(path);
      if (info.isSymbolicLink()) return [name, readlinkSync(path)];
      return [name, info.isFile() ? readFileSync(path, 'latin1') : null];
    }),
  );
}
