/**
 * How far training or an evaluation is, on stderr: a bar that is redrawn on a terminal; elsewhere a
 * plain line every few seconds; nothing when quiet. The clock here feeds only what is
 * shown.
 */
import { Bar } from './bar.js';
import type { Io } from './io.js';
import { Meter } from './meter.js';

export interface ProgressPlan {
  /** Optimizer steps of the whole training. */
  readonly totalSteps: number;
  readonly numEpochs: number;
  readonly quiet: boolean;
}

/** One finished step. */
export interface ProgressStep {
  /** From 1. */
  readonly epoch: number;
  /** Optimizer steps done. */
  readonly step: number;
  /** Sequences in this step's batch. */
  readonly samples: number;
  /** Mean loss, on the steps where it was read. */
  readonly loss?: number;
}

/** Sequences of an evaluation. */
export interface EvaluationStep {
  readonly done: number;
  readonly total: number;
}

export interface Progress {
  step(step: ProgressStep): void;
  evaluating(step: EvaluationStep): void;
  /** As `RunObserver.evaluated`. */
  evaluated(evaluation: { readonly split: string; readonly left: number; readonly text: string }): void;
  /** A checkpoint has been written. */
  saved(): void;
  /** Writes a whole line of its own, above the bar where there is one; swallowed when quiet. */
  line(text: string): void;
  /** Takes the bar away; nothing else may follow. */
  end(): void;
}

export interface EvaluationDisplay {
  evaluating(step: EvaluationStep): void;
  /** Takes the bar away; nothing else may follow. */
  end(): void;
}

const systemClock = (): number => performance.now();

/** `clock` gives milliseconds from any beginning. */
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

/** Of an evaluation alone: on a terminal, unless quiet. */
export function createEvaluationDisplay(io: Io, quiet: boolean, clock = systemClock): EvaluationDisplay {
  if (quiet || !io.interactive) return { evaluating: () => {}, end: () => {} };
  const bar = new Bar(io, clock);
  return { evaluating: step => drawEvaluation(bar, step), end: () => bar.clear() };
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

/** Milliseconds between two lines at least, since logs are kept and read later. */
const LINE_INTERVAL = 5000;

/**
 * The first evaluation of a split and the last are always told, of the others those that are due.
 */
function lineProgress(io: Io, plan: ProgressPlan, clock: () => number): Progress {
  const training = new TrainingText(plan, clock);
  let told = clock();
  let splitBefore: string | undefined;
  /** The latest evaluation, if it has not been told. */
  let pending: string | undefined;
  const print = (text: string): void => {
    told = clock();
    pending = undefined;
    io.err(`${text}\n`);
  };
  const printPending = (): void => {
    if (pending !== undefined) print(pending);
  };
  const isDue = () => clock() - told >= LINE_INTERVAL;
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
      // the last one of the split before
      if (isOther) printPending();
      if (isOther || left === 0 || isDue()) print(text);
      else pending = text;
    },
    saved: () => training.meter.saved(),
    line(text) {
      // in the order of what happened
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

/** `0:05`, `12:34`, `3:02:01`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const pad = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
