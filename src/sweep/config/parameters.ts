/** The settings of a sweep file, and its parameters with the places that diagnostics point to. */
import { resolve } from 'node:path';
import { fillSweepDefaults } from '../../config/defaults.js';
import type { Assignment } from '../../config/overrides.js';
import { schemaAt } from '../../config/schema/walk.js';
import type { Place } from '../../config/yaml/source.js';
import { type MapNode, type Node, nodeAt, toPlain } from '../../config/yaml/tree.js';
import { canonical, type Distribution, type Parameter, type Point, type Value } from '../search/space.js';
import type { GivenParameter, SweepSettings } from './definition.js';

export interface LocatedParameter extends Parameter {
  /** The key as written; `variants` for the parameter `config`. */
  readonly given: string;
  readonly keyPlace: Place;
  /** The value of the key. */
  readonly node: Node;
  /** The listed values or the bounds, each with its node. */
  readonly written: readonly WrittenValue[];
}

interface WrittenValue {
  readonly value: Value;
  readonly node: Node;
}

/** In the order of the file. */
export function locatedParameters(
  tree: MapNode,
  { parameters }: Pick<SweepSettings, 'parameters'>,
): readonly LocatedParameter[] {
  return Object.entries(parameters).map(([given, parameter]) => {
    const keys = given.split(',').map(key => key.trim());
    const found = nodeAt(tree, ['parameters', given]);
    if (found?.key === undefined) throw new Error(`the sweep has no parameter ${given}`);
    const { key: keyPlace, value: node } = found;
    const written = writtenValues(parameter, node, keys);
    const condition = conditionOf(node);
    return {
      given,
      keys,
      name: keys.join(','),
      distribution: distributionOf(parameter, written),
      ...(condition !== undefined && { condition }),
      keyPlace,
      node,
      written,
    };
  });
}

export function withoutPlaces({ keys, name, distribution, condition }: LocatedParameter): Parameter {
  return { keys, name, distribution, ...(condition !== undefined && { condition }) };
}

/**
 * The keys that the parameter sets to `value`. Diagnostics point to the value as written, or to the
 * parameter if the value lies between bounds.
 */
export function assignmentsOf(
  { keys, keyPlace, node, written }: LocatedParameter,
  value: Value,
): readonly Assignment[] {
  const text = canonical(value);
  const stated = written.find(one => canonical(one.value) === text)?.node;
  const found: Node = stated ?? {
    kind: 'scalar',
    value: value as number,
    written: String(value),
    place: node.place,
  };
  if (keys.length === 1) return [{ key: keys[0], keyPlace, value: found }];
  const items = found.kind === 'list' ? found.items : [];
  return keys.map((key, i) => ({ key, keyPlace, value: items[i] }));
}

function writtenValues(
  parameter: GivenParameter,
  node: Node,
  keys: readonly string[],
): readonly WrittenValue[] {
  const at = (...path: string[]): Node => nodeAt(node, path)?.value ?? node;
  if (isList(parameter) || 'values' in parameter) {
    const list = isList(parameter) ? node : at('values');
    const items = list.kind === 'list' ? list.items : [];
    return items.map(item => ({ value: absoluteValue(item, keys), node: item }));
  }
  return (['low', 'high'] as const).map(bound => ({ value: parameter[bound], node: at(bound) }));
}

/** @param written with absolute paths */
function distributionOf(parameter: GivenParameter, written: readonly WrittenValue[]): Distribution {
  if (isList(parameter) || 'values' in parameter)
    return { kind: 'choice', values: written.map(({ value }) => value) };
  const { kind, low, high } = parameter;
  switch (kind) {
    case 'int':
      return { kind, low, high, step: parameter.step };
    case 'log_int':
      return { kind, low, high, step: 1 };
    default:
      return { kind, low, high };
  }
}

function conditionOf(parameter: Node): Parameter['condition'] {
  const when = nodeAt(parameter, ['when'])?.value;
  if (when?.kind !== 'map') return undefined;
  const [[written, { value }]] = when.entries;
  const name = nameOf(written);
  const values = value.kind === 'list' ? value.items : [value];
  return { name, values: values.map(one => absoluteValue(one, name.split(','))) };
}

/** The points of `exclude`, with absolute paths as in the parameters. */
export function exclusionsOf(tree: MapNode): readonly Point[] {
  const list = nodeAt(tree, ['exclude'])?.value;
  const items = list?.kind === 'list' ? list.items : [];
  return items.map(item => {
    const entries = item.kind === 'map' ? [...item.entries] : [];
    return Object.fromEntries(
      entries.map(([written, { value }]) => [
        nameOf(written),
        absoluteValue(value, nameOf(written).split(',')),
      ]),
    );
  });
}

/** `a, b` and `a,b` name the same parameter. */
export function nameOf(written: string): string {
  return written
    .split(',')
    .map(key => key.trim())
    .join(',');
}

/**
 * Each parameter after the one that its condition names, otherwise in the order of the file. A
 * condition on an unknown name, which is reported elsewhere, counts as none.
 */
export function inOrder(parameters: readonly LocatedParameter[]): {
  readonly parameters: readonly LocatedParameter[];
  /** Parameters whose conditions depend on themselves, or on one that does. */
  readonly circular: readonly LocatedParameter[];
} {
  const names = new Set(parameters.map(({ name }) => name));
  const ordered = new Map<string, LocatedParameter>();
  let left = parameters;
  for (;;) {
    // taking the first keeps the order of the file as far as conditions allow
    const next = left.find(
      ({ condition }) => condition === undefined || !names.has(condition.name) || ordered.has(condition.name),
    );
    if (next === undefined) return { parameters: [...ordered.values()], circular: left };
    ordered.set(next.name, next);
    left = left.filter(parameter => parameter !== next);
  }
}

function isList<T>(value: T | readonly T[] | GivenParameter): value is readonly T[] {
  return Array.isArray(value);
}

/**
 * Resolves paths against the directory of the file that contains them, since a trial starts
 * elsewhere.
 */
function absoluteValue(node: Node, keys: readonly string[]): Value {
  if (keys.length > 1 && node.kind === 'list')
    return node.items.map((item, i) => absoluteValue(item, [keys[i] ?? '']));
  return resolved(node, keys[0].split('.'));
}

function resolved(node: Node, path: readonly string[]): Value {
  if (node.kind === 'map') {
    const entries = [...node.entries].map(([key, { value }]) => [key, resolved(value, [...path, key])]);
    return Object.fromEntries(entries);
  }
  const plain = toPlain(node) as Value;
  const isPath = typeof plain === 'string' && schemaAt(path, undefined)?.['x-path'] === true;
  return isPath ? resolve(node.place.text.folder, plain) : plain;
}

/** @param tree valid against the schema */
export function settingsOf(tree: MapNode): SweepSettings {
  const plain = toPlain(tree) as { readonly method: unknown; readonly pruner?: unknown };
  const { method, pruner = 'none' } = plain;
  return fillSweepDefaults({
    ...plain,
    method: asMapping(method),
    pruner: asMapping(pruner),
  }) as SweepSettings;
}

/** A word is short for the mapping with only this kind. */
function asMapping(given: unknown): unknown {
  return typeof given === 'string' ? { kind: given } : given;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a number or of a duration such as `10m`; null if undefined. */
export function secondsOf(time: number | string | undefined): number | null {
  if (time === undefined) return null;
  if (typeof time === 'number') return time;
  return Number(time.slice(0, -1)) * SECONDS[time.slice(-1)];
}
