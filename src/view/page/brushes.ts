/** Selects trials by ranges on the axes of a sweep. */
import type { SweepReport, TrialReport } from '../document.js';
import { type AxisSpec, measuredAxis, type Scale, scaleOf } from './scale.js';

export interface SweepAxis {
  /** A parameter's name, or the objective's metric. */
  readonly name: string;
  readonly spec: AxisSpec;
  readonly scale: Scale;
  /** Trials without a value on the axis: diverged ones, or points without the parameter. */
  readonly without: readonly TrialReport[];
  valueOf(trial: TrialReport): number | string | null | undefined;
}

/** Ranges of positions in 0..1 by axis name; an axis without a range accepts every trial. */
export type Brushes = Readonly<Record<string, readonly [low: number, high: number]>>;

/** The parameters that differ between any trials, then the objective. */
export function sweepAxes({ parameters, objective, trials }: SweepReport): readonly SweepAxis[] {
  const axisOf = (name: string, spec: AxisSpec, read: SweepAxis['valueOf']): SweepAxis => {
    const scale = scaleOf(spec);
    const without = trials.filter(trial => scale.place(read(trial)) === undefined);
    return { name, spec, scale, without, valueOf: read };
  };
  const ofParameters = parameters.map(({ name, title, scale, low, high, values }) => {
    const spec = { title, scale, values, ...(low !== null && high !== null && { low, high }) };
    return axisOf(name, spec, trial => trial.point[name]);
  });
  const spec = measuredAxis(
    objective.metric,
    trials.map(({ value }) => value),
  );
  return [...ofParameters, axisOf(objective.metric, spec, trial => trial.value)];
}

export function isChosen(trial: TrialReport, axes: readonly SweepAxis[], brushes: Brushes): boolean {
  return axes.every(axis => {
    const brush = brushes[axis.name];
    if (brush === undefined) return true;
    const place = axis.scale.place(axis.valueOf(trial));
    return place !== undefined && place >= brush[0] - 1e-9 && place <= brush[1] + 1e-9;
  });
}

/** The brushes with one changed; a full range is removed. */
export function withBrush(brushes: Brushes, name: string, range: readonly [number, number] | null): Brushes {
  const { [name]: _, ...others } = brushes;
  if (range === null) return others;
  const [low, high] = [Math.max(0, Math.min(...range)), Math.min(1, Math.max(...range))];
  return low <= 0 && high >= 1 ? others : { ...others, [name]: [low, high] };
}

/** The CSS class of a trial's line or mark. */
export function classOf(
  { trial, state }: TrialReport,
  { report, stressed }: { readonly report: SweepReport; readonly stressed: number | null },
): string {
  return [state, trial === report.best ? 'best' : '', trial === stressed ? 'stressed' : '']
    .filter(Boolean)
    .join(' ');
}
