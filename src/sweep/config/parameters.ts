/** The settings of a sweep file, and its parameters with the places that diagnostics point to. */
import { resolve } from 'node:path';
import type { Assignment } from '../../config/layers.js';
import { fillSweepDefaults } from '../../config/load.js';
import { isPathKey } from '../../config/schema/schema.js';
import { type MapNode, type Node, nodeAt, type Place, scalarNode, toPlain } from '../../config/yaml/tree.js';
import { canonical, type Parameter, type Point, type Value } from '../search/space.js';
import type { GivenParameter, SweepSettings } from './definition.js';

export interface Reference {
  readonly name: string;
  readonly keyPlace: Place;
  readonly written: readonly WrittenValue[];
}

export interface LocatedParameter extends Omit<Parameter, 'condition'> {
  /** The key as written; `variants` for the parameter `config`. */
  readonly given: string;
  readonly keyPlace: Place;
  readonly node: Node;
  /** The listed values or the bounds, each with its node. */
  readonly written: readonly WrittenValue[];
  readonly when?: Reference | undefined;
}

interface WrittenValue {
  readonly value: Value;
  readonly node: Node;
}

export function locatedParameters(
  tree: MapNode,
  { parameters }: Pick<SweepSettings, 'parameters'>,
): readonly LocatedParameter[] {
  return entriesOf(nodeAt(tree, ['parameters'])?.value).map(([given, { key: keyPlace, value: node }]) => {
    const name = nameOf(given);
    const keys = name.split(',');
    const [when] = referencesIn(nodeAt(node, ['when'])?.value, true);
    return { given, keys, name, keyPlace, node, when, ...valuesOf(parameters[given], node, keys) };
  });
}

function entriesOf(map: Node | undefined) {
  return map?.kind === 'map' ? [...map.entries] : [];
}

function valuesOf(
  parameter: GivenParameter,
  node: Node,
  keys: readonly string[],
): Pick<LocatedParameter, 'distribution' | 'written'> {
  const at = (key: string): Node => nodeAt(node, [key])?.value ?? node;
  if ('low' in parameter) {
    const { when: _, ...bounds } = parameter;
    return {
      distribution: bounds.kind === 'log_int' ? { ...bounds, step: 1 } : bounds,
      written: (['low', 'high'] as const).map(bound => ({ value: bounds[bound], node: at(bound) })),
    };
  }
  const list = node.kind === 'list' ? node : at('values');
  const written = list.kind === 'list' ? located(list.items, keys) : [];
  return { distribution: { kind: 'choice', values: written.map(({ value }) => value) }, written };
}

export function withoutPlaces({ keys, name, distribution, when }: LocatedParameter): Parameter {
  const condition = when && { name: when.name, values: when.written.map(({ value }) => value) };
  return { keys, name, distribution, ...(condition && { condition }) };
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
  const stated = written.find(writtenValue => canonical(writtenValue.value) === text)?.node;
  const found = stated ?? scalarNode(value as number, node.place);
  if (keys.length === 1) return [{ key: keys[0], keyPlace, value: found }];
  const items = found.kind === 'list' ? found.items : [];
  return keys.map((key, i) => ({ key, keyPlace, value: items[i] }));
}

/** @param mayList whether a list has several values, not one that is a list */
function referencesIn(map: Node | undefined, mayList: boolean): readonly Reference[] {
  return entriesOf(map).map(([given, { key, value }]) => {
    const name = nameOf(given);
    const nodes = mayList && value.kind === 'list' ? value.items : [value];
    return { name, keyPlace: key, written: located(nodes, name.split(',')) };
  });
}

/** The patterns of `exclude`, with absolute paths as in the parameters. */
export function exclusionsOf(tree: MapNode): readonly (readonly Reference[])[] {
  const list = nodeAt(tree, ['exclude'])?.value;
  return (list?.kind === 'list' ? list.items : []).map(item => referencesIn(item, false));
}

export function pointOf(pattern: readonly Reference[]): Point {
  return Object.fromEntries(pattern.map(({ name, written: [{ value }] }) => [name, value]));
}

/** `a, b` and `a,b` name the same parameter. */
function nameOf(written: string): string {
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
    const next = left.find(({ when }) => !when || !names.has(when.name) || ordered.has(when.name));
    if (next === undefined) return { parameters: [...ordered.values()], circular: left };
    ordered.set(next.name, next);
    left = left.filter(parameter => parameter !== next);
  }
}

function located(nodes: readonly Node[], keys: readonly string[]): readonly WrittenValue[] {
  return nodes.map(node => ({ value: absoluteValue(node, keys), node }));
}

/** Resolves paths against the folder of the file that has them: a trial starts elsewhere. */
function absoluteValue(node: Node, keys: readonly string[]): Value {
  if (keys.length > 1 && node.kind === 'list')
    return node.items.map((item, i) => absoluteValue(item, [keys[i] ?? '']));
  return resolved(node, keys[0].split('.'));
}

function resolved(node: Node, path: readonly string[]): Value {
  if (node.kind === 'map')
    return Object.fromEntries(
      entriesOf(node).map(([key, { value }]) => [key, resolved(value, [...path, key])]),
    );
  const plain = toPlain(node) as Value;
  const isPath = typeof plain === 'string' && isPathKey(path);
  return isPath ? resolve(node.place.text.folder, plain) : plain;
}

export function settingsOf(tree: MapNode): SweepSettings {
  const plain = toPlain(tree) as { readonly method: unknown; readonly pruner?: unknown };
  // a word is short for the mapping with only this kind
  const asMapping = (given: unknown) => (typeof given === 'string' ? { kind: given } : given);
  const [method, pruner] = [asMapping(plain.method), asMapping(plain.pruner ?? 'none')];
  return fillSweepDefaults({ ...plain, method, pruner }) as SweepSettings;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a number or of a duration such as `10m`; null if undefined. */
export function secondsOf(time: number | string | undefined): number | null {
  if (typeof time !== 'string') return time ?? null;
  return Number(time.slice(0, -1)) * SECONDS[time.slice(-1)];
}
