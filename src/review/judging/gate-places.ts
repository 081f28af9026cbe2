/**
 * Where in a checkout the gates of runs are written, though the runs may be from another folder or
 * another machine.
 */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import { itemsAt } from '../../config/merge/plain.js';
import { isRecord } from '../../config/schema/walk.js';
import type { Gate } from '../../experiment/judging/gates.js';

export interface GatePlace {
  /** Relative to the checkout, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly col: number;
}

/**
 * Undefined where the checkout `workspace` has no such file with that gate at that place.
 * `configFiles` are absolute, on the machine of the run; of one that lies elsewhere the longest end
 * of its path counts that the checkout has too.
 */
export function placeOfGate(
  gate: Gate & { readonly origin: string },
  configFiles: readonly string[],
  workspace: string,
): GatePlace | undefined {
  const [, named, line, col] = /^(.+):(\d+):(\d+)$/.exec(gate.origin) ?? [];
  if (named === undefined || !existsSync(workspace)) return undefined;
  const place = { line: Number(line), col: Number(col) };
  const file = configFiles
    .filter(path => endsWith(path, named))
    .flatMap(path => candidates(path, workspace))
    .find(path => holds(path, place, gate));
  return file === undefined ? undefined : { file: relativeTo(workspace, file) ?? file, ...place };
}

/**
 * `path` as GitHub wants it, relative to the folder `root` with forward slashes; undefined where it
 * lies outside, or is not there.
 */
export function relativeTo(root: string, path: string): string | undefined {
  if (!existsSync(path) || !existsSync(root)) return undefined;
  const inside = relative(realpathSync(root), realpathSync(path));
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) return undefined;
  return inside.split(sep).join('/');
}

/** A user's name of a file starts anywhere. */
function endsWith(path: string, named: string): boolean {
  const wanted = partsOf(normalize(named)).filter(part => part !== '..');
  return partsOf(path).slice(-wanted.length).join('/') === wanted.join('/');
}

/** The file itself, and those of the checkout whose path ends alike, the likest first. */
function candidates(path: string, workspace: string): string[] {
  const parts = partsOf(path);
  const ends = parts.map((_, i) => join(workspace, ...parts.slice(i)));
  return [path, ...ends].filter(one => relativeTo(workspace, one) !== undefined);
}

function partsOf(path: string): string[] {
  return path.split(/[\\/]/).filter(part => part !== '' && part !== '.');
}

const SAID = ['metric', 'min', 'max', 'max_drop', 'max_regress', 'beats', 'by'] as const;

/**
 * Whether the gate is what the file says there: another file of that name, or one that has changed,
 * says something else.
 */
function holds(file: string, { line, col }: Pick<GatePlace, 'line' | 'col'>, gate: Gate): boolean {
  const there = itemsAt(file, ['gates']).find(item => item.line === line && item.column === col);
  const said = there?.value;
  return isRecord(said) && SAID.every(key => said[key] === gate[key]) && (said.over ?? 'last') === gate.over;
}
