/** Rules of parameters that need no config: keys, bounds, conditions, exclusions. */
import { allKeys, schemaAt } from '../../config/schema/walk.js';
import { nearest } from '../../config/wording/suggest.js';
import { positionOf } from '../../config/yaml/source.js';
import { keyPlace, type MapNode, nodeAt, type Path, valuePlace } from '../../config/yaml/tree.js';
import type { Diagnostic } from '../../util/errors.js';
import { canonical, type Parameter, type Point, sameValue, type Value } from '../space.js';
import { VARIANT } from '../trial-runs.js';
import { inOrder } from './order.js';
import { exclusionsOf, type LocatedParameter, nameOf } from './parameters.js';
import type { SweepSettings } from './settings.js';
import type { Unknown } from './shape.js';

/** Keys that a sweep can't vary, and why. A key's children are meant too. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  version: 'it says how the config is to be read',
  name: 'it only names the runs',
  description: 'it only describes the runs',
  extends: 'it says which files the config is made of; `variants` lists several',
  seed: '`seeds` lists the seeds that each point is trained with',
  checkpoint: 'it does not change the result',
  gates: 'they only judge the result',
  'training.num_epochs': 'it is what trials are compared by; all have those of the config',
  'training.log_every': 'it does not change the result',
};

type Complain = (path: Path, code: string, message: string, more?: Partial<Diagnostic>) => Diagnostic;

/** All complaints about parameters, their conditions and exclusions. */
export function checkParameters(
  tree: MapNode,
  settings: SweepSettings,
  parameters: readonly LocatedParameter[],
  unknown: Unknown,
): Diagnostic[] {
  const isUnknown = (name: string): boolean => unknown.keys.has('parameters') || unknown.parameters.has(name);
  const own = parameters.filter(({ name }) => name !== VARIANT);
  return [
    ...own.flatMap(checkKeys),
    ...checkOverlaps(own),
    ...Object.entries(settings.parameters).flatMap(([given, parameter]) =>
      checkForm(tree, given, Array.isArray(parameter) ? { kind: 'choice' } : (parameter as Form)),
    ),
    ...own.flatMap(parameter => checkCondition(tree, parameter, parameters, isUnknown)),
    ...inOrder(parameters).circular.map(({ keyPlace: place, name }) => ({
      code: 'sweep/condition-cycle',
      message: `the condition of \`${name}\` leads back to itself`,
      ...positionOf(place),
    })),
    ...exclusionsOf(tree).flatMap((pattern, i) => checkExclusion(tree, i, pattern, parameters, isUnknown)),
  ];
}

function checkKeys({ keys, keyPlace: place }: LocatedParameter): Diagnostic[] {
  return keys.flatMap(key => {
    const path = key.split('.');
    const forbidden = path.map((_, i) => path.slice(0, i + 1).join('.')).find(part => part in FORBIDDEN);
    if (forbidden !== undefined) {
      const message = `\`${forbidden}\` can't be varied: ${FORBIDDEN[forbidden]}`;
      return [{ code: 'sweep/fixed-key', message, ...positionOf(place) }];
    }
    if (schemaAt(path, undefined) !== undefined) return [];
    const suggestion = nearestKey(key);
    const message = `a config has no key \`${key.slice(0, 80)}\``;
    return [
      {
        code: 'config/unknown-key',
        message,
        ...positionOf(place),
        ...(suggestion !== undefined && { suggestion }),
      },
    ];
  });
}

function nearestKey(key: string): string | undefined {
  const known = [...new Set(allKeys().map(({ path }) => path.join('.')))].filter(
    path => !(path in FORBIDDEN),
  );
  const last = key.split('.').at(-1) ?? key;
  const lastOf = (path: string): string => path.split('.').at(-1) ?? path;
  const near = nearest(last, known.map(lastOf));
  return nearest(key, known) ?? known.find(path => lastOf(path) === last || lastOf(path) === near);
}

/** Two parameters that set the same value, or a mapping and something in it, would depend on their order. */
function checkOverlaps(parameters: readonly LocatedParameter[]): Diagnostic[] {
  const set = parameters.flatMap(parameter => parameter.keys.map(key => ({ key, parameter })));
  const found: Diagnostic[] = [];
  for (const [i, { key, parameter }] of set.entries()) {
    const earlier = set
      .slice(0, i)
      .find(({ key: other }) => other === key || key.startsWith(`${other}.`) || other.startsWith(`${key}.`));
    if (earlier === undefined) continue;
    const { line } = positionOf(earlier.parameter.keyPlace);
    const same = earlier.parameter === parameter ? 'twice in this parameter' : `also by line ${line}`;
    const message = `\`${key}\` is set ${same}${earlier.key === key ? '' : ` as \`${earlier.key}\``}`;
    found.push({ code: 'sweep/overlap', message, ...positionOf(parameter.keyPlace) });
  }
  return found;
}

interface Form {
  readonly kind: string;
  readonly low?: number;
  readonly high?: number;
  readonly step?: number;
  readonly values?: readonly Value[];
}

function checkForm(tree: MapNode, given: string, form: Form): Diagnostic[] {
  const keys = given.split(',');
  const at = complainAt(tree, given);
  if (form.kind === 'paired') {
    if (keys.length < 2)
      return [at([], 'sweep/paired', 'paired needs several keys', { expected: `\`${given},another.key\`` })];
    return (form.values ?? []).flatMap((value, i) =>
      Array.isArray(value) && value.length === keys.length
        ? []
        : [
            at(['values', i], 'sweep/paired', `the parameter has ${keys.length} keys`, {
              expected: `a list of ${keys.length}`,
              got: Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value),
            }),
          ],
    );
  }
  if (keys.length > 1)
    return [
      at([], 'sweep/paired', 'several keys need pairs of values', {
        expected: '`kind: paired` with `values`',
      }),
    ];
  return form.low !== undefined && form.high !== undefined ? checkBounds(at, form.low, form.high, form) : [];
}

function checkBounds(at: Complain, low: number, high: number, { step = 1, kind }: Form): Diagnostic[] {
  if (low > high) return [at(['high'], 'sweep/bounds', `no value is at least ${low} and at most ${high}`)];
  if (low === high)
    return [at(['high'], 'sweep/bounds', 'low and high are the same', { expected: 'a list of one value' })];
  const rest = (high - low) % step;
  if (kind !== 'int' || rest === 0) return [];
  const message = `high is not reached from ${low} in steps of ${step}`;
  return [at(['high'], 'sweep/bounds', message, { got: String(high), suggestion: String(high - rest) })];
}

function complainAt(tree: MapNode, given: string): Complain {
  return (path, code, message, more = {}) => {
    const whole = ['parameters', given, ...path];
    const place = path.length === 0 ? keyPlace(tree, whole) : valuePlace(tree, whole);
    return { code, message, ...positionOf(place), ...more };
  };
}

function checkCondition(
  tree: MapNode,
  { given, condition }: LocatedParameter,
  parameters: readonly LocatedParameter[],
  isUnknown: (name: string) => boolean,
): Diagnostic[] {
  if (condition === undefined || isUnknown(condition.name)) return [];
  const path = writtenPath(tree, ['parameters', given, 'when'], condition.name);
  const target = parameters.find(({ name }) => name === condition.name);
  if (target === undefined) return [unknownParameter(tree, path, condition.name, parameters)];
  const isList = nodeAt(tree, path)?.value.kind === 'list';
  return condition.values.flatMap((value, i) =>
    checkPossible(tree, isList ? [...path, i] : path, value, target),
  );
}

function checkExclusion(
  tree: MapNode,
  index: number,
  pattern: Point,
  parameters: readonly LocatedParameter[],
  isUnknown: (name: string) => boolean,
): Diagnostic[] {
  return Object.entries(pattern).flatMap(([name, value]) => {
    if (isUnknown(name)) return [];
    const path = writtenPath(tree, ['exclude', index], name);
    const target = parameters.find(parameter => parameter.name === name);
    if (target === undefined) return [unknownParameter(tree, path, name, parameters)];
    return checkPossible(tree, path, value, target);
  });
}

/** Where a mapping has the parameter `name`, however it is spaced there. */
function writtenPath(tree: MapNode, path: Path, name: string): Path {
  const map = nodeAt(tree, path)?.value;
  const written = map?.kind === 'map' ? [...map.entries.keys()].find(key => nameOf(key) === name) : undefined;
  return [...path, written ?? name];
}

function unknownParameter(
  tree: MapNode,
  path: Path,
  written: string,
  parameters: readonly Parameter[],
): Diagnostic {
  const names = parameters.map(({ name }) => name);
  const suggestion = nearest(written, names);
  return {
    code: 'sweep/unknown-parameter',
    message: `the sweep has no parameter \`${written.slice(0, 80)}\``,
    ...positionOf(keyPlace(tree, path)),
    expected: names.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  };
}

/** A condition or exclusion that no point can ever meet is a slip. */
function checkPossible(
  tree: MapNode,
  path: Path,
  value: Value,
  { name, distribution }: Parameter,
): Diagnostic[] {
  const complain = (message: string, more: Partial<Diagnostic>): Diagnostic => ({
    code: 'sweep/impossible-value',
    message,
    ...positionOf(valuePlace(tree, path)),
    ...more,
  });
  if (distribution.kind === 'choice') {
    if (distribution.values.some(one => sameValue(one, value))) return [];
    const expected = distribution.values.map(canonical).join(' | ');
    const words = distribution.values.filter(one => typeof one === 'string');
    const suggestion = typeof value === 'string' ? nearest(value, words) : undefined;
    const more = { expected, got: canonical(value), ...(suggestion !== undefined && { suggestion }) };
    return [complain(`\`${name}\` never has this value`, more)];
  }
  if (!('step' in distribution)) {
    const message = `\`${name}\` is a real number, which practically never has a certain value`;
    return [complain(message, { expected: 'a parameter with a list of values, or of whole numbers' })];
  }
  const { low, high, step } = distribution;
  const isOne = typeof value === 'number' && value >= low && value <= high && (value - low) % step === 0;
  const expected = `a whole number from ${low} to ${high}${step === 1 ? '' : ` in steps of ${step}`}`;
  return isOne ? [] : [complain(`\`${name}\` never has this value`, { expected, got: canonical(value) })];
}
