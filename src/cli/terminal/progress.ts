/**
 * Shows the progress of a training or an evaluation on stderr: a bar on a terminal, else a line
 * every few seconds; nothing if quiet. The clock affects only what is shown.
 */

import pico from 'picocolors';
import { formatDuration } from '../../util/numbers.js';
import type { Io } from './io.js';
import { Meter } from './meter.js';

export interface ProgressPlan {
  /** Optimizer steps of the training. */
  readonly totalSteps: number;
  readonly numEpochs: number;
  readonly quiet: boolean;
}

/** One finished step. */
export interface ProgressStep {
  /** From 1. */
  readonly epoch: number;
  /** Finished optimizer steps. */
  readonly step: number;
  /** Sequences in this step's batch. */
  readonly samples: number;
  /** Mean loss, if it was read at this step. */
  readonly loss?: number;
}

/** Progress of an evaluation, in sequences. */
export interface EvaluationStep {
  readonly done: number;
  readonly total: number;
}

export interface Progress {
  step(step: ProgressStep): void;
  evaluating(step: EvaluationStep): void;
  /** See `RunObserver.evaluated`. */
  evaluated(evaluation: { readonly split: string; readonly left: number; readonly text: string }): void;
  /** A checkpoint has been written. */
  saved(): void;
  /** Writes a line, above the bar if there is one; nothing if quiet. */
  line(text: string): void;
  /** Clears the bar; the last call. */
  end(): void;
}

export interface EvaluationDisplay {
  evaluating(step: EvaluationStep): void;
  /** Clears the bar; the last call. */
  end(): void;
}

const systemClock = (): number => performance.now();

/** @param clock milliseconds since any fixed time */
export function createProgress(io: Io, plan: ProgressPlan, clock = systemClock): Progress {
  if (plan.quiet) {
    return {
      step: () => {},
      evaluating: () => {},
      evaluated: () => {},
      saved: () => {},
      line: () => {},
      end: () => {},
    };
  }
  return io.interactive ? barProgress(io, plan, clock) : lineProgress(io, plan, clock);
}

/** Shows the progress of a single evaluation, on a terminal and unless quiet. */
export function createEvaluationDisplay(io: Io, quiet: boolean, clock = systemClock): EvaluationDisplay {
  if (quiet || !io.interactive) return { evaluating: () => {}, end: () => {} };
  const bar = new Bar(io, clock);
  return { evaluating: step => drawEvaluation(bar, step), end: () => bar.clear() };
}

const REDRAW_MS = 100;
const WIDTH = 24;
/** Shorter bars are not drawn. */
const MIN_WIDTH = 6;
/** Moves the cursor to the line's start and clears it. */
const CLEAR = '\r\u001b[2K';

/** A line of a terminal that is redrawn in place: a bar, if it fits, and a text. */
class Bar {
  private drawn = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly io: Io,
    private readonly clock: () => number,
  ) {}

  /** Draws `fraction` (0..1) and the text, at most ten times a second. */
  draw(fraction: number, describe: () => string): void {
    const now = this.clock();
    if (now - this.drawn < REDRAW_MS) return;
    this.drawn = now;
    // A wrapped line could not be redrawn: shorten the bar, then cut the text.
    const room = (this.io.columns ?? 80) - 1;
    const text = describe().slice(0, Math.max(0, room));
    this.io.err(`${CLEAR}${this.filled(fraction, Math.min(WIDTH, room - text.length - 1))}${text}`);
  }

  /** Writes a whole line above the bar. */
  line(text: string): void {
    this.io.err(`${CLEAR}${text}\n`);
  }

  clear(): void {
    this.io.err(CLEAR);
  }

  private filled(fraction: number, width: number): string {
    if (width < MIN_WIDTH) return '';
    const colors = pico.createColors(this.io.color.err);
    const full = Math.round(Math.min(1, fraction) * width);
    return `${colors.green('━'.repeat(full))}${colors.dim('─'.repeat(width - full))} `;
  }
}

function drawEvaluation(bar: Bar, { done, total }: EvaluationStep): void {
  bar.draw(done / total, () => `evaluating ${done}/${total}`);
}

function barProgress(io: Io, plan: ProgressPlan, clock: () => number): Progress {
  const training = new TrainingText(plan, clock);
  const bar = new Bar(io, clock);
  return {
    step(step) {
      training.add(step);
      bar.draw(step.step / plan.totalSteps, () => training.describe(step));
    },
    evaluating: step => drawEvaluation(bar, step),
    evaluated: ({ left, text }) => {
      training.meter.evaluated(left);
      bar.line(text);
    },
    saved: () => training.meter.saved(),
    line: text => bar.line(text),
    end: () => bar.clear(),
  };
}

/** Minimum milliseconds between two lines. */
const LINE_INTERVAL = 5000;

/** Always prints the first and the last evaluation of a split, and others at intervals. */
function lineProgress(io: Io, plan: ProgressPlan, clock: () => number): Progress {
  const training = new TrainingText(plan, clock);
  let printed = clock();
  let splitBefore: string | undefined;
  /** The latest evaluation, if it was not printed. */
  let pending: string | undefined;
  const print = (text: string): void => {
    printed = clock();
    pending = undefined;
    io.err(`${text}\n`);
  };
  const printPending = (): void => {
    if (pending !== undefined) print(pending);
  };
  const isDue = () => clock() - printed >= LINE_INTERVAL;
  return {
    step(step) {
      training.add(step);
      if (isDue()) print(pending ?? training.describe(step));
    },
    evaluating: () => {},
    evaluated({ split, left, text }) {
      training.meter.evaluated(left);
      const isOther = split !== splitBefore;
      splitBefore = split;
      // print the last evaluation of the previous split
      if (isOther) printPending();
      if (isOther || left === 0 || isDue()) print(text);
      else pending = text;
    },
    saved: () => training.meter.saved(),
    line(text) {
      // keep the order of time
      printPending();
      io.err(`${text}\n`);
    },
    end: printPending,
  };
}

class TrainingText {
  readonly meter: Meter;
  private loss: number | undefined;

  constructor(
    private readonly plan: ProgressPlan,
    clock: () => number,
  ) {
    this.meter = new Meter(clock);
  }

  add({ samples, loss }: ProgressStep): void {
    this.meter.step(samples);
    this.loss = loss ?? this.loss;
  }

  describe({ epoch, step }: ProgressStep): string {
    const { numEpochs, totalSteps } = this.plan;
    const { rate } = this.meter;
    const left = this.meter.secondsLeft(totalSteps - step);
    return [
      `epoch ${epoch}/${numEpochs}`,
      `step ${step}/${totalSteps}`,
      ...(this.loss === undefined ? [] : [`loss ${this.loss.toPrecision(4)}`]),
      ...(rate === undefined ? [] : [formatRate(rate)]),
      ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
    ].join('  ');
  }
}

function formatRate(perSecond: number): string {
  return `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toPrecision(2)} samples/s`;
}
