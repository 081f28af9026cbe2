/** Charts of a sweep: trials by their parameters and over their epochs. */

import { useMemo, useRef } from 'preact/hooks';
import { counted } from '../../util/numbers.js';
import type { SweepReport, TrialReport } from '../document.js';
import { Scroll, useWidth } from './components.js';
import {
  type AxisSpec,
  AxisX,
  AxisY,
  frameOf,
  LINE,
  Mark,
  measuredAxis,
  NO_VALUE,
  PointPlot,
  pathOf,
  type Scale,
  scaleOf,
  spaced,
} from './svg-charts.js';
import type { SweepParts } from './sweep-view.js';

/** Continues `5 trials`: `, 2 of them without test.loss`; empty if there are none. */
export function ofThemWithout(without: readonly TrialReport[], name: string): string {
  return without.length === 0 ? '' : `, ${without.length} of them without ${name}`;
}

/** The trials without a value, and the axes that lack it. */
export function GapsNote({ axes }: { readonly axes: readonly SweepAxis[] }) {
  const parts = axes
    .filter(({ without }) => without.length > 0)
    .map(({ name, without }) => `${counted(without.length, 'trial')} without ${name} (${statesOf(without)})`);
  if (parts.length === 0) return null;
  return (
    <p class="note" data-note="no-value">
      Drawn to “{NO_VALUE}” below the axis: {parts.join('; ')}.
    </p>
  );
}

/** `2 diverged, 1 running`. */
function statesOf(trials: readonly TrialReport[]): string {
  return [...new Set(trials.map(({ state }) => state))]
    .map(state => `${trials.filter(trial => trial.state === state).length} ${state}`)
    .join(', ');
}

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
function classOf({ trial, state }: TrialReport, { best }: SweepReport): string {
  return trial === best ? `${state} best` : state;
}

export const PARALLEL_HEIGHT = 340;
/**
 * Pixels from the top for trials without a value: below each axis and its end's keyboard target.
 */
export const NO_VALUE_TOP = PARALLEL_HEIGHT + 12;
const TOP = 48;
const BOTTOM = 26;
/** Half of the width that reacts to the pointer. */
const REACH = 14;
/** A shorter drag is a click. */
const CLICK = 0.015;

type Range = readonly [low: number, high: number];

/** Pixels from the top for a position in 0..1. */
export function topOf(place: number): number {
  return PARALLEL_HEIGHT - BOTTOM - place * (PARALLEL_HEIGHT - TOP - BOTTOM);
}

interface BrushedAxisProps {
  readonly axis: SweepAxis;
  readonly left: number;
  /** Null if everything is selected. */
  readonly brush: Range | null;
  setBrush(range: Range | null): void;
}

export function BrushedAxis({ axis, left, brush, setBrush }: BrushedAxisProps) {
  const start = useRef<number | null>(null);
  const { title } = axis.spec;
  const [low, high] = brush ?? [0, 1];
  return (
    <g class="brushed-axis" data-axis={axis.name}>
      <text class="title" x={left} y={16} text-anchor="middle" aria-hidden="true">
        {title}
      </text>
      <g aria-hidden="true">
        <line class="base" x1={left} x2={left} y1={topOf(0)} y2={topOf(1)} />
        {spaced(axis.scale.ticks, LINE / (topOf(0) - topOf(1))).map(({ place, text }) => (
          <text key={text} class="tick" x={left + 7} y={topOf(place) + 4}>
            {text}
          </text>
        ))}
        {axis.without.length > 0 && (
          <text class="tick no-value" x={left + 7} y={NO_VALUE_TOP + 4}>
            {NO_VALUE}
          </text>
        )}
        {brush !== null && (
          <rect
            class="brush"
            x={left - 7}
            width={14}
            y={topOf(high)}
            height={Math.max(2, topOf(low) - topOf(high))}
          />
        )}
      </g>
      <rect
        class="catcher"
        aria-hidden="true"
        x={left - REACH}
        width={2 * REACH}
        y={topOf(1)}
        height={topOf(0) - topOf(1)}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = placeOf(event);
        }}
        onPointerMove={event => {
          const [from, to] = [start.current, placeOf(event)];
          if (from !== null && Math.abs(to - from) > CLICK) setBrush([from, to]);
        }}
        onPointerUp={event => {
          if (start.current !== null && Math.abs(placeOf(event) - start.current) <= CLICK) setBrush(null);
          start.current = null;
        }}
        onPointerCancel={() => {
          start.current = null;
        }}
      />
      <End
        axis={axis}
        which="lowest"
        left={left}
        at={low}
        bounds={[0, high]}
        set={at => setBrush([at, high])}
        clear={() => setBrush(null)}
      />
      <End
        axis={axis}
        which="highest"
        left={left}
        at={high}
        bounds={[low, 1]}
        set={at => setBrush([low, at])}
        clear={() => setBrush(null)}
      />
    </g>
  );
}

function placeOf(event: { clientY: number; currentTarget: SVGRectElement }): number {
  const { top, height } = event.currentTarget.getBoundingClientRect();
  return Math.max(0, Math.min(1, 1 - (event.clientY - top) / height));
}

interface EndProps {
  readonly axis: SweepAxis;
  readonly which: 'lowest' | 'highest';
  readonly left: number;
  readonly at: number;
  readonly bounds: Range;
  set(at: number): void;
  clear(): void;
}

/** An end of the range: a slider for the keyboard. */
function End({ axis, which, left, at, bounds: [low, high], set, clear }: EndProps) {
  const move = (by: number) => set(Math.max(low, Math.min(high, at + by)));
  const step = axis.scale.keyStep;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowUp: () => move(step),
    ArrowRight: () => move(step),
    ArrowDown: () => move(-step),
    ArrowLeft: () => move(-step),
    PageUp: () => move(4 * step),
    PageDown: () => move(-4 * step),
    Home: () => set(low),
    End: () => set(high),
    Escape: clear,
  };
  const y = topOf(at);
  const tip = which === 'lowest' ? 8 : -8;
  return (
    <g
      class="end"
      role="slider"
      tabindex={0}
      aria-orientation="vertical"
      aria-label={`${which} ${axis.spec.title} chosen`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * at)}
      aria-valuetext={axis.scale.textAt(at)}
      onKeyDown={event => {
        const act = keys[event.key];
        if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act();
      }}
    >
      <rect class="target" x={left - 12} y={which === 'lowest' ? y : y - 24} width={24} height={24} />
      <path d={`M${left - 6} ${y + tip}h12l-6 ${-tip}z`} />
    </g>
  );
}

/** Minimum distance of axes; wider charts scroll. */
const MIN_GAP = 104;
const MIN_EDGE = 60;
/** Half the width of a character in a title, at most. */
const HALF_CHARACTER = 4;

interface ParallelProps extends SweepParts {
  readonly brushes: Brushes;
  setBrushes(brushes: Brushes): void;
}

export function Parallel({ report, axes, chosen, brushes, setBrushes }: ParallelProps) {
  const { ref, width: room } = useWidth<HTMLDivElement>(640);
  // the titles of the outer axes are centered on them
  const outer = [axes[0], axes[axes.length - 1]].map(({ spec }) => HALF_CHARACTER * spec.title.length);
  const edge = Math.max(MIN_EDGE, ...outer);
  const width = Math.max(room, (axes.length - 1) * MIN_GAP + 2 * edge);
  const lefts = axes.map((_, i) =>
    axes.length === 1 ? width / 2 : edge + (i * (width - 2 * edge)) / (axes.length - 1),
  );
  const taken = new Set(chosen);
  // draws chosen trials above the others, the best on top
  const height = (trial: TrialReport): number =>
    Number(taken.has(trial)) + 2 * Number(trial.trial === report.best);
  const order = report.trials.toReversed().sort((a, b) => height(a) - height(b));
  const hasGaps = axes.some(({ without }) => without.length > 0);
  const objective = axes[axes.length - 1];
  return (
    <>
      <GapsNote axes={axes} />
      <Scroll label="Parallel coordinates">
        <div ref={ref} class="parallel">
          <svg
            width={width}
            height={hasGaps ? NO_VALUE_TOP + 14 : PARALLEL_HEIGHT}
            role="group"
            aria-label={`Parallel coordinates of ${report.trials.length} trials${ofThemWithout(objective.without, objective.name)}; the table of trials has the same values`}
          >
            <g aria-hidden="true">
              {order.map(trial => (
                <path
                  key={trial.trial}
                  data-trial={trial.trial}
                  class={`trial ${classOf(trial, report)}${taken.has(trial) ? '' : ' left-out'}`}
                  d={lineOf(trial, axes, lefts)}
                />
              ))}
            </g>
            {axes.map((axis, i) => (
              <BrushedAxis
                key={axis.name}
                axis={axis}
                left={lefts[i]}
                brush={brushes[axis.name] ?? null}
                setBrush={range => setBrushes(withBrush(brushes, axis.name, range))}
              />
            ))}
          </svg>
        </div>
      </Scroll>
    </>
  );
}

/** Below the axis if the trial has no value there. */
function lineOf(trial: TrialReport, axes: readonly SweepAxis[], lefts: readonly number[]): string {
  const points = axes.map((axis, i) => {
    const place = axis.scale.place(axis.valueOf(trial));
    return `${lefts[i].toFixed(1)} ${(place === undefined ? NO_VALUE_TOP : topOf(place)).toFixed(1)}`;
  });
  return `M${points.join('L')}`;
}

export function Scatter({ axes, chosen, ...parts }: SweepParts) {
  // draws the best one above the others
  const trials = useMemo(() => chosen.toReversed(), [chosen]);
  return (
    <div class="multiples">
      {axes.slice(0, -1).map(axis => (
        <ByParameter
          key={axis.name}
          {...parts}
          axis={axis}
          objective={axes[axes.length - 1]}
          trials={trials}
        />
      ))}
    </div>
  );
}

interface ByParameterProps extends Pick<SweepParts, 'report'> {
  readonly axis: SweepAxis;
  readonly objective: SweepAxis;
  readonly trials: readonly TrialReport[];
}

/**
 * Draws a trial without the objective below the axis; omits trials without the parameter, and says
 * so.
 */
function ByParameter({ report, axis, objective, trials }: ByParameterProps) {
  const shown = trials.filter(trial => !axis.without.includes(trial));
  const missing = shown.filter(trial => objective.without.includes(trial));
  const points = shown.map(trial => ({
    id: trial.trial,
    x: axis.valueOf(trial) ?? '',
    y: trial.value,
    className: classOf(trial, report),
  }));
  const leftOut = trials.length - shown.length;
  return (
    <div>
      <PointPlot
        label={`${objective.name} by ${axis.name} of ${counted(shown.length, 'trial')}${ofThemWithout(missing, objective.name)}; the table of trials has the values`}
        x={axis.spec}
        y={objective.spec}
        points={points}
      />
      {leftOut > 0 && (
        <p class="note" data-note="left-out">
          Not shown: {counted(leftOut, 'trial')} without {axis.name}.
        </p>
      )}
    </div>
  );
}

export function Pruning({ report, chosen }: SweepParts) {
  const { ref, width } = useWidth<HTMLDivElement>(640);
  const frame = frameOf(width, 300);
  const { metric } = report.objective;
  const [x, y] = useMemo(() => {
    const values = report.trials.flatMap(({ curve }) => curve.values);
    const longest = Math.max(report.epochs, ...report.trials.map(({ curve }) => curve.epochs.at(-1) ?? 0));
    return [
      wholeOnly(scaleOf({ title: 'epoch', scale: 'linear', low: 0, high: longest })),
      scaleOf(measuredAxis(metric, values)),
    ];
  }, [report, metric]);
  const drawn = chosen.filter(({ curve }) => curve.values.some(value => value !== null)).toReversed();
  const leftOut = chosen.length - drawn.length;
  return (
    <div ref={ref} class="pruning">
      <svg
        width={width}
        height={frame.height}
        role="img"
        aria-label={`${metric} of ${counted(drawn.length, 'trial')} after each of their epochs; the table of trials has the last values`}
      >
        <AxisX frame={frame} scale={x} title="epoch" />
        <AxisY frame={frame} scale={y} title={metric} />
        {drawn.map(trial => {
          const points = trial.curve.epochs.map((epoch, i) => {
            const [atX, atY] = [x.place(epoch), y.place(trial.curve.values[i])];
            return atX === undefined || atY === undefined
              ? undefined
              : { left: frame.left(atX), top: frame.top(atY) };
          });
          const last = points.findLast(point => point !== undefined);
          const className = classOf(trial, report);
          return (
            <g key={trial.trial} data-trial={trial.trial}>
              <path class={`trial ${className}`} d={pathOf(points)} />
              {last !== undefined && <Mark {...last} className={className} />}
            </g>
          );
        })}
      </svg>
      {leftOut > 0 && (
        <p class="note" data-note="left-out">
          Not shown: {counted(leftOut, 'trial')} without {metric} after any epoch.
        </p>
      )}
    </div>
  );
}

/** Epochs are integers. */
function wholeOnly(scale: Scale): Scale {
  const ticks = scale.ticks.map(({ place, text }) => ({ place, text: String(Number(text)) }));
  return { ...scale, ticks: ticks.filter(({ text }) => Number.isInteger(Number(text))) };
}
