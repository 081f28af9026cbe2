/** The values of a config with their defaults. */
import { fillDefaults } from '../config/merge/defaults.js';
import { isRecord } from '../config/schema/walk.js';
import { canonical, type Value } from '../sweep/search/space.js';
import type { ConfigValue } from './document.js';

type Path = readonly string[];

/**
 * All values of a resolved config, in its order. A default that depends on other keys is computed
 * from them.
 * @param commandLine of the run, which shows what was overridden
 */
export function configValues(
  config: Readonly<Record<string, unknown>>,
  commandLine: readonly string[],
): readonly ConfigValue[] {
  const overridden = overriddenKeys(commandLine);
  return leavesOf(config, []).map(({ path, value }) => {
    const key = path.join('.');
    const usual = defaultAt(config, path);
    return {
      key,
      value: shown(value),
      default: usual === undefined ? null : shown(usual),
      differs: usual === undefined || canonical(usual as Value) !== canonical(value as Value),
      overridden: overridden.some(one => key === one || key.startsWith(`${one}.`)),
    };
  });
}

/** The values alone, by key path. */
export function configTexts(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(leavesOf(config, []).map(({ path, value }) => [path.join('.'), shown(value)]));
}

interface Leaf {
  readonly path: Path;
  readonly value: unknown;
}

/** Lists, such as `betas` and `gates`, count as one value. */
function leavesOf(value: unknown, path: Path): readonly Leaf[] {
  if (!isRecord(value) || Object.keys(value).length === 0) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

/** The default at `path`; undefined if there is none, or the config is of another version. */
function defaultAt(config: Readonly<Record<string, unknown>>, path: Path): unknown {
  let filled: unknown = fillDefaults(without(config, path));
  for (const step of path) filled = isRecord(filled) ? filled[step] : undefined;
  return filled;
}

function without(config: Readonly<Record<string, unknown>>, [first, ...rest]: Path): Record<string, unknown> {
  const { [first]: inner, ...others } = config;
  if (rest.length === 0 || !isRecord(inner)) return others;
  // in place, since keys are shown in order
  return { ...config, [first]: without(inner, rest) };
}

/** The keys of `--set key=value` and `--set=key=value`. */
function overriddenKeys(commandLine: readonly string[]): readonly string[] {
  const assignments = commandLine
    .map(word => word.replace(/^--set=/, ''))
    .filter(word => /^[A-Za-z_][\w.[\]-]*=/.test(word));
  return assignments.map(text => text.split('=', 1)[0].replaceAll(/\[(\d+)\]/g, '.$1'));
}

/** Plain strings without quotes, everything else as JSON, which is YAML. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  return value.length === 0
    ? '[]'
    : `[${value.map(item => (isRecord(item) ? mapping(item) : shown(item))).join(', ')}]`;
}

function mapping(record: Readonly<Record<string, unknown>>): string {
  return `{ ${Object.entries(record)
    .map(([key, value]) => `${key}: ${shown(value)}`)
    .join(', ')} }`;
}
