/** Each value of each parameter against the schema of the config, before points are formed of them. */
import type { ConfigSource } from '../../config/load.js';
import type { Place } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import { exists, type Point, type Value } from '../space.js';
import { pointAssignments } from './complaints.js';
import type { LocatedParameter } from './parameters.js';

/** What is wrong with a value of a parameter. */
export interface ValueComplaint {
  readonly name: string;
  readonly value: Value;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * What the schema says to values, shown where they are written. Each is judged in a point whose other parameters have their first
 * values, or those that the parameter's condition wants.
 * @param parameters in order
 */
export function checkValues(
  source: ConfigSource,
  parameters: readonly LocatedParameter[],
): readonly ValueComplaint[] {
  return parameters.flatMap(parameter =>
    parameter.written.flatMap(({ value }) => {
      const point = pointWith(parameters, parameter, value);
      const { schemaProblems } = source.judge(pointAssignments(parameters, point));
      const diagnostics = schemaProblems.filter(
        problem => isWithin(problem, parameter.keyPlace) || isWithin(problem, parameter.node.place),
      );
      return diagnostics.length === 0 ? [] : [{ name: parameter.name, value, diagnostics }];
    }),
  );
}

function pointWith(
  parameters: readonly LocatedParameter[],
  varied: LocatedParameter,
  value: LocatedParameter['written'][number]['value'],
): Point {
  const wanted = new Map([[varied.name, value]]);
  let { condition } = varied;
  while (condition !== undefined) {
    const { name, values } = condition;
    wanted.set(name, values[0]);
    condition = parameters.find(parameter => parameter.name === name)?.condition;
  }
  let point: Point = {};
  for (const parameter of parameters) {
    const chosen = wanted.get(parameter.name) ?? parameter.written[0]?.value;
    if (chosen !== undefined && exists(parameter, point)) point = { ...point, [parameter.name]: chosen };
  }
  return point;
}

/** Whether a diagnostic is about what stands at a place. */
export function isWithin({ file, line, column }: Diagnostic, { text, start, end }: Place): boolean {
  if (file !== text.file || line === undefined || column === undefined) return false;
  const from = text.locate(start);
  const to = text.locate(end);
  const before = line < from.line || (line === from.line && column < from.column);
  const after = line > to.line || (line === to.line && column >= to.column + (end === start ? 1 : 0));
  return !before && !after;
}
