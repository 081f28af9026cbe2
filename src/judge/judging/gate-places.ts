/** Locates gates in the configs of a checkout. The runs may be from another machine. */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';

export interface GatePlace {
  /** Relative to the checkout, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly col: number;
}

/**
 * The position of a gate in the checkout `workspace`; undefined if it has no such file.
 * @param configFiles absolute paths on the machine of the run. For a path outside the checkout,
 *   uses the file whose path shares the longest end with it
 */
export function placeOfGate(
  { origin }: { readonly origin: string },
  configFiles: readonly string[],
  workspace: string,
): GatePlace | undefined {
  const [, named, line, col] = /^(.+):(\d+):(\d+)$/.exec(origin) ?? [];
  if (named === undefined) return undefined;
  const wanted = partsOf(normalize(named)).filter(part => part !== '..');
  const files = configFiles
    .filter(path => partsOf(path).slice(-wanted.length).join('/') === wanted.join('/'))
    .flatMap(path => [path, ...partsOf(path).map((_, i, parts) => join(workspace, ...parts.slice(i)))]);
  const file = files.flatMap(path => relativeTo(workspace, path) ?? []).at(0);
  return file === undefined ? undefined : { file, line: Number(line), col: Number(col) };
}

/** With forward slashes, as GitHub requires; undefined if it is outside or does not exist. */
export function relativeTo(root: string, path: string): string | undefined {
  if (!existsSync(path) || !existsSync(root)) return undefined;
  const inside = relative(realpathSync(root), realpathSync(path));
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) return undefined;
  return inside.split(sep).join('/');
}

function partsOf(path: string): string[] {
  return path.split(/[\\/]/).filter(part => part !== '' && part !== '.');
}
