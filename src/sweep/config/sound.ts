/** The parameters of a sweep that can be judged further though something is wrong with others. */
import type { Diagnostic } from '../../util/errors.js';
import { sameValue, type Value } from '../space.js';
import type { LocatedParameter } from './parameters.js';
import type { Unknown } from './shape.js';
import { isWithin, type ValueComplaint } from './values.js';

/** Keys that decide which others stand beside them. */
const DECIDING = /(?:^|\.)(?:kind|cell|problem|from)$/;

/**
 * Without those that are complained about, and those that exist, or are what they are, only by one that is not known. What is left
 * forms points of the config with the others as the base has them, which is one that runs.
 */
export function soundParameters(
  parameters: readonly LocatedParameter[],
  complaints: readonly Diagnostic[],
  unknown: Unknown,
): readonly LocatedParameter[] {
  const lost = new Set(unknown.parameters);
  for (const parameter of parameters) {
    const { keyPlace, node } = parameter;
    if (complaints.some(one => isWithin(one, keyPlace) || isWithin(one, node.place)))
      lost.add(parameter.name);
  }
  return withoutLost(parameters, lost);
}

/** Without the values that are complained about. Of a parameter with a bound that is, or without a value left, nothing stays. */
export function soundValues(
  parameters: readonly LocatedParameter[],
  complaints: readonly ValueComplaint[],
): readonly LocatedParameter[] {
  const lost = new Set<string>();
  const kept = parameters.map(parameter => {
    const wrong = complaints.filter(({ name }) => name === parameter.name).map(({ value }) => value);
    if (wrong.length === 0) return parameter;
    const isWrong = (value: Value): boolean => wrong.some(one => sameValue(one, value));
    const { distribution, name } = parameter;
    const written = parameter.written.filter(({ value }) => !isWrong(value));
    if (distribution.kind !== 'choice' || written.length === 0) lost.add(name);
    return {
      ...parameter,
      written,
      distribution: { kind: 'choice', values: written.map(({ value }) => value) },
    } as const;
  });
  return withoutLost(kept, lost);
}

function withoutLost(
  parameters: readonly LocatedParameter[],
  lost: Set<string>,
): readonly LocatedParameter[] {
  for (;;) {
    const next = parameters.find(
      parameter => !lost.has(parameter.name) && [...lost].some(name => dependsOn(parameter, name)),
    );
    if (next === undefined) return parameters.filter(({ name }) => !lost.has(name));
    lost.add(next.name);
  }
}

function dependsOn({ keys, condition }: LocatedParameter, name: string): boolean {
  if (condition?.name === name) return true;
  const sections = name
    .split(',')
    .filter(key => DECIDING.test(key))
    .map(key => key.slice(0, key.lastIndexOf('.') + 1));
  return keys.some(key => sections.some(section => key.startsWith(section)));
}
