/** What a sweep's schema says, and the rest of the sweep without what it refuses, so that this is judged at the same time. */

import { type SchemaError, validateAgainst } from '../../config/schema/schema.js';
import { sweepSchema } from '../../config/schema/walk.js';
import { explainSchemaErrors } from '../../config/wording/complaints.js';
import { type Entry, type MapNode, type Node, toPlain } from '../../config/yaml/tree.js';
import type { Diagnostic } from '../../util/errors.js';
import { nameOf } from './parameters.js';

/** What a sweep says that nobody can know: it is refused, missing, or perhaps meant by an unknown key. No rule about it applies. */
export interface Unknown {
  readonly keys: ReadonlySet<string>;
  /** Names of parameters. */
  readonly parameters: ReadonlySet<string>;
}

export interface Shape {
  readonly problems: readonly Diagnostic[];
  /** Valid, with stand-ins for unknown keys that must be there; undefined where nothing is left to be judged. */
  readonly tree: MapNode | undefined;
  readonly unknown: Unknown;
}

export function shapeOf(tree: MapNode): Shape {
  const errors = violations(tree);
  const unknown = unknownIn(tree, errors);
  if (errors.length === 0) return { problems: [], tree, unknown };
  const problems = explainSchemaErrors(errors, tree, sweepSchema());
  const rest = without(tree, unknown);
  return { problems, tree: violations(rest).length === 0 ? rest : undefined, unknown };
}

function violations(tree: MapNode): readonly SchemaError[] {
  return validateAgainst('sweep', toPlain(tree));
}

function unknownIn(tree: MapNode, errors: readonly SchemaError[]): Unknown {
  const keys = new Set<string>();
  const parameters = new Set<string>();
  for (const { instancePath, keyword, params } of errors) {
    const [key, name] = instancePath.split('/').slice(1).map(unescaped);
    if (key === 'parameters' && name !== undefined) parameters.add(nameOf(name));
    else if (key !== undefined) keys.add(key);
    else if (keyword === 'required') keys.add(String(params.missingProperty));
    else if (keyword === 'additionalProperties') {
      keys.add(String(params.additionalProperty));
      for (const absent of Object.keys(sweepSchema().properties ?? {}))
        if (!tree.entries.has(absent)) keys.add(absent);
    }
  }
  return { keys, parameters };
}

/** A step of a JSON pointer. */
function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function without(tree: MapNode, { keys, parameters }: Unknown): MapNode {
  const entries = new Map<string, Entry>();
  for (const [key, plain] of Object.entries(STAND_INS))
    entries.set(key, { key: tree.place, value: nodeOf(plain, tree) });
  for (const [key, entry] of tree.entries) if (!keys.has(key)) entries.set(key, entry);
  const varied = entries.get('parameters');
  if (varied?.value.kind === 'map') {
    const known = [...varied.value.entries].filter(([name]) => !parameters.has(nameOf(name)));
    entries.set('parameters', { ...varied, value: { ...varied.value, entries: new Map(known) } });
  }
  return { ...tree, entries };
}

/** Of the keys that a sweep must have. */
const STAND_INS = {
  version: 1,
  name: 'unknown',
  method: 'grid',
} as const;

function nodeOf(plain: string | number | Readonly<Record<string, string>>, { place }: Node): Node {
  if (typeof plain !== 'object') return { kind: 'scalar', value: plain, written: String(plain), place };
  const entries = Object.entries(plain).map(
    ([key, value]) => [key, { key: place, value: nodeOf(value, { kind: 'broken', place }) }] as const,
  );
  return { kind: 'map', entries: new Map(entries), place };
}
