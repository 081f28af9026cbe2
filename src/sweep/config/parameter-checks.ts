/** Checks of parameters: first without a config, then each value against the schema of a config. */
import type { ConfigSource } from '../../config/load.js';
import { allKeys, schemaAt } from '../../config/schema/walk.js';
import { type Place, positionOf } from '../../config/yaml/source.js';
import { keyPlace, type MapNode, nodeAt, type Path, valuePlace } from '../../config/yaml/tree.js';
import type { Diagnostic } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { canonical, exists, type Parameter, type Point, sameValue, type Value } from '../space.js';
import { VARIANT } from '../trial-runs.js';
import { COMMAND_LINE } from './bases.js';
import { exclusionsOf, inOrder, type LocatedParameter, nameOf } from './parameters.js';
import { pointAssignments } from './points.js';
import type { SweepSettings } from './settings.js';

/** Keys that a sweep cannot vary, and why; their children cannot be varied either. */
const FIXED: Readonly<Record<string, string>> = {
  version: 'it is the version of the config format',
  name: 'it only names the runs',
  description: 'it only describes the runs',
  extends: 'list several configs in `variants` instead',
  seed: 'list the seeds of each point in `seeds` instead',
  checkpoint: 'it does not affect results',
  gates: 'they do not affect results',
  'training.num_epochs': 'trials are compared after the same number of epochs',
  'training.log_every': 'it does not affect results',
};

/** The part of `key` that a sweep cannot vary; undefined if it can. */
export function fixedKey(key: string): string | undefined {
  const path = key.split('.');
  return path.map((_, i) => path.slice(0, i + 1).join('.')).find(part => Object.hasOwn(FIXED, part));
}

type Report = (path: Path, code: string, message: string, more?: Partial<Diagnostic>) => Diagnostic;

/** Checks parameters, their conditions and exclusions. */
export function checkParameters(
  tree: MapNode,
  settings: SweepSettings,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const own = parameters.filter(({ name }) => name !== VARIANT);
  return [
    ...own.flatMap(checkKeys),
    ...checkOverlaps(own),
    ...Object.entries(settings.parameters).flatMap(([given, parameter]) =>
      checkForm(tree, given, Array.isArray(parameter) ? { kind: 'choice' } : (parameter as Form)),
    ),
    ...own.flatMap(parameter => checkCondition(tree, parameter, parameters)),
    ...inOrder(parameters).circular.map(({ keyPlace: place, name }) => ({
      code: 'sweep/condition-cycle',
      message: `the condition of \`${name}\` depends on itself`,
      ...positionOf(place),
    })),
    ...exclusionsOf(tree).flatMap((pattern, i) => checkExclusion(tree, i, pattern, parameters)),
  ];
}

function checkKeys({ keys, keyPlace: place }: LocatedParameter): Diagnostic[] {
  return keys.flatMap(key => {
    const path = key.split('.');
    const fixed = fixedKey(key);
    if (fixed !== undefined) {
      const message = `\`${fixed}\` cannot be varied: ${FIXED[fixed]}`;
      const expected = 'one value, for all trials';
      const isOnCommandLine = place.text.file === COMMAND_LINE;
      return [
        { code: 'sweep/fixed-key', message, ...positionOf(place), ...(isOnCommandLine && { expected }) },
      ];
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
  const known = [...new Set(allKeys().map(({ path }) => path.join('.')))].filter(path => !(path in FIXED));
  const last = key.split('.').at(-1) ?? key;
  const lastOf = (path: string): string => path.split('.').at(-1) ?? path;
  const near = nearest(last, known.map(lastOf));
  return nearest(key, known) ?? known.find(path => lastOf(path) === last || lastOf(path) === near);
}

/**
 * The result of two parameters for one value, or for a mapping and its key, would depend on their
 * order.
 */
function checkOverlaps(parameters: readonly LocatedParameter[]): Diagnostic[] {
  const set = parameters.flatMap(parameter => parameter.keys.map(key => ({ key, parameter })));
  const found: Diagnostic[] = [];
  for (const [i, { key, parameter }] of set.entries()) {
    const earlier = set
      .slice(0, i)
      .find(({ key: other }) => other === key || key.startsWith(`${other}.`) || other.startsWith(`${key}.`));
    if (earlier === undefined) continue;
    const { line } = positionOf(earlier.parameter.keyPlace);
    const again =
      earlier.parameter === parameter ? 'is set twice by this parameter' : `is also set on line ${line}`;
    const message = `\`${key}\` ${again}${earlier.key === key ? '' : ` as \`${earlier.key}\``}`;
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
  const at = reportAt(tree, given);
  if (form.kind === 'paired') {
    if (keys.length < 2) {
      const expected = `\`${given},another.key\``;
      return [at([], 'sweep/paired', '`kind: paired` needs several keys', { expected })];
    }
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
  if (keys.length > 1) {
    const expected = '`kind: paired` with `values`';
    return [at([], 'sweep/paired', 'several keys need `kind: paired`', { expected })];
  }
  return form.low !== undefined && form.high !== undefined ? checkBounds(at, form.low, form.high, form) : [];
}

function checkBounds(at: Report, low: number, high: number, { step = 1, kind }: Form): Diagnostic[] {
  if (low > high) return [at(['high'], 'sweep/bounds', `high (${high}) is less than low (${low})`)];
  if (low === high)
    return [at(['high'], 'sweep/bounds', 'low and high are equal', { expected: 'a list of one value' })];
  const rest = (high - low) % step;
  if (kind !== 'int' || rest === 0) return [];
  const message = `high cannot be reached from ${low} in steps of ${step}`;
  return [at(['high'], 'sweep/bounds', message, { got: String(high), suggestion: String(high - rest) })];
}

function reportAt(tree: MapNode, given: string): Report {
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
): Diagnostic[] {
  if (condition === undefined) return [];
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
): Diagnostic[] {
  return Object.entries(pattern).flatMap(([name, value]) => {
    const path = writtenPath(tree, ['exclude', index], name);
    const target = parameters.find(parameter => parameter.name === name);
    if (target === undefined) return [unknownParameter(tree, path, name, parameters)];
    return checkPossible(tree, path, value, target);
  });
}

/** The path of the parameter `name` in a mapping, which may write it with spaces. */
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

/** A condition or exclusion that no point can match is a mistake. */
function checkPossible(
  tree: MapNode,
  path: Path,
  value: Value,
  { name, distribution }: Parameter,
): Diagnostic[] {
  const report = (message: string, more: Partial<Diagnostic>): Diagnostic => ({
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
    return [report(`\`${name}\` never has this value`, more)];
  }
  if (!('step' in distribution)) {
    const message = `\`${name}\` is continuous and almost never equals a given value`;
    return [report(message, { expected: 'a parameter with a list of values, or an integer parameter' })];
  }
  const { low, high, step } = distribution;
  const isOne = typeof value === 'number' && value >= low && value <= high && (value - low) % step === 0;
  const expected = `an integer from ${low} to ${high}${step === 1 ? '' : ` in steps of ${step}`}`;
  return isOne ? [] : [report(`\`${name}\` never has this value`, { expected, got: canonical(value) })];
}

/**
 * Checks each value and bound against the schema of a config, in a point whose other parameters
 * have their first values, or those that the parameter's condition requires.
 * @param parameters in order, without errors of `checkParameters`
 */
export function checkValues(source: ConfigSource, parameters: readonly LocatedParameter[]): Diagnostic[] {
  return parameters.flatMap(parameter =>
    parameter.written.flatMap(({ value }) => {
      const point = pointWith(parameters, parameter, value);
      const { schemaProblems } = source.check(pointAssignments(parameters, point));
      return schemaProblems.filter(
        problem => isWithin(problem, parameter.keyPlace) || isWithin(problem, parameter.node.place),
      );
    }),
  );
}

function pointWith(parameters: readonly LocatedParameter[], varied: LocatedParameter, value: Value): Point {
  const required = new Map([[varied.name, value]]);
  let { condition } = varied;
  while (condition !== undefined) {
    const { name, values } = condition;
    required.set(name, values[0]);
    condition = parameters.find(parameter => parameter.name === name)?.condition;
  }
  let point: Point = {};
  for (const parameter of parameters) {
    const chosen = required.get(parameter.name) ?? parameter.written[0]?.value;
    if (chosen !== undefined && exists(parameter, point)) point = { ...point, [parameter.name]: chosen };
  }
  return point;
}

function isWithin({ file, line, column }: Diagnostic, { text, start, end }: Place): boolean {
  if (file !== text.file || line === undefined || column === undefined) return false;
  const from = text.locate(start);
  const to = text.locate(end);
  const before = line < from.line || (line === from.line && column < from.column);
  const after = line > to.line || (line === to.line && column >= to.column + (end === start ? 1 : 0));
  return !before && !after;
}
