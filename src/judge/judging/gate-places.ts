/** Locates gates in the configs of a checkout. The runs may be from another machine. */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import { itemsAt } from '../../config/plain.js';
import { isRecord } from '../../config/schema/walk.js';
import type { Gate } from '../../run/gates.js';

export interface GatePlace {
  /** Relative to the checkout, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly col: number;
}

/**
 * The position of a gate in the checkout `workspace`; undefined if no file there has that gate at
 * that position.
 * @param configFiles absolute paths on the machine of the run. For a path outside the checkout,
 *   uses the file whose path shares the longest end with it
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

/** With forward slashes, as GitHub requires; undefined if it is outside or does not exist. */
export function relativeTo(root: string, path: string): string | undefined {
  if (!existsSync(path) || !existsSync(root)) return undefined;
  const inside = relative(realpathSync(root), realpathSync(path));
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) return undefined;
  return inside.split(sep).join('/');
}

/** True if `path` ends with `named`, which is relative to an unknown directory. */
function endsWith(path: string, named: string): boolean {
  const wanted = partsOf(normalize(named)).filter(part => part !== '..');
  return partsOf(path).slice(-wanted.length).join('/') === wanted.join('/');
}

/** The file itself, and files of the checkout whose path ends the same, longest match first. */
function candidates(path: string, workspace: string): string[] {
  const parts = partsOf(path);
  const ends = parts.map((_, i) => join(workspace, ...parts.slice(i)));
  return [path, ...ends].filter(one => relativeTo(workspace, one) !== undefined);
}

function partsOf(path: string): string[] {
  return path.split(/[\\/]/).filter(part => part !== '' && part !== '.');
}

const SAID = ['metric', 'min', 'max', 'max_drop', 'max_regress', 'beats', 'by'] as const;

/** False for another file of the same name, or one that was changed. */
function holds(file: string, { line, col }: Pick<GatePlace, 'line' | 'col'>, gate: Gate): boolean {
  const there = itemsAt(file, ['gates']).find(item => item.line === line && item.column === col);
  const said = there?.value;
  return isRecord(said) && SAID.every(key => said[key] === gate[key]) && (said.over ?? 'last') === gate.over;
}
