/** What a point sets in its config, and saying at which points something is wrong. */
import type { Assignment } from '../../config/merge/overrides.js';
import type { Diagnostic } from '../../util/errors.js';
import { canonical, type Point, type Value } from '../space.js';
import { VARIANT } from '../trial-runs.js';
import { assignmentsOf, type LocatedParameter } from './parameters.js';

/** What `point` sets in its config. */
export function pointAssignments(
  parameters: readonly LocatedParameter[],
  point: Point,
): readonly Assignment[] {
  return parameters.flatMap(parameter => {
    const value = point[parameter.name];
    return parameter.name === VARIANT || value === undefined ? [] : assignmentsOf(parameter, value);
  });
}

/** `model.hidden_size=64, optimizer.kind=adam` */
export function describePoint(point: Point): string {
  const parts = Object.entries(point).map(([name, value]) => `${name}=${describeValue(value)}`);
  return parts.join(', ');
}

export function describeValue(value: Value): string {
  return typeof value === 'string' ? value : canonical(value);
}

/**
 * Complaints of many points: what all have in common is said once, with the first point at which it is so.
 * Complaints that configs have by themselves are said without a point.
 */
export class PointComplaints {
  private readonly found = new Map<string, { diagnostic: Diagnostic; point?: Point; more: number }>();

  /** @param own complaints that the config has whatever the point */
  add(diagnostics: readonly Diagnostic[], point: Point, own: readonly Diagnostic[] = []): void {
    const inherent = new Set(own.map(keyOf));
    for (const diagnostic of diagnostics) {
      const key = keyOf(diagnostic);
      const known = this.found.get(key);
      if (known !== undefined) known.more += 1;
      else if (inherent.has(key)) this.found.set(key, { diagnostic, more: 0 });
      else this.found.set(key, { diagnostic, point, more: 0 });
    }
  }

  get diagnostics(): Diagnostic[] {
    return [...this.found.values()].map(({ diagnostic, point, more }) => {
      if (point === undefined || Object.keys(point).length === 0) return diagnostic;
      const others = more === 0 ? '' : ` and ${more} more ${more === 1 ? 'point' : 'points'}`;
      return { ...diagnostic, message: `${diagnostic.message}; at ${describePoint(point)}${others}` };
    });
  }
}

function keyOf({ code, message, file, line, column }: Diagnostic): string {
  return `${file}:${line}:${column}:${code}:${message}`;
}
