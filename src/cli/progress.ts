/**
 * How far training is, on stderr: a bar that is redrawn on a terminal, a plain line each `logEvery` steps elsewhere,
 * nothing when quiet. The clock here feeds only what is shown.
 */
import pico from 'picocolors';
import type { Io } from './io.js';

export interface ProgressPlan {
  /** Optimizer steps of the whole training. */
  readonly totalSteps: number;
  readonly numEpochs: number;
  readonly logEvery: number;
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

export interface Progress {
  step(step: ProgressStep): void;
  /** Writes a whole line of its own, above the bar where there is one; swallowed when quiet. */
  line(text: string): void;
  /** Takes the bar away; nothing else may follow. */
  end(): void;
}

const REDRAW_MS = 100;
const BAR_WIDTH = 24;
/** A shorter bar says nothing. */
const LEAST_BAR = 6;
/** Moves the cursor to the line's start and clears it. */
const CLEAR = '\r\u001b[2K';

/** `clock` gives milliseconds from any beginning. */
export function createProgress(
  io: Io,
  plan: ProgressPlan,
  clock: () => number = () => performance.now(),
): Progress {
  if (plan.quiet) return { step: () => {}, line: () => {}, end: () => {} };
  return io.interactive ? barProgress(io, plan, clock) : lineProgress(io, plan, clock);
}

function barProgress(io: Io, plan: ProgressPlan, clock: () => number): Progress {
  const meter = new Meter(plan, clock);
  const colors = pico.createColors(io.color.err);
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    step(step) {
      meter.add(step);
      if (clock() - drawn < REDRAW_MS) return;
      drawn = clock();
      // A wrapped line could not be redrawn: the bar gives way to the text, and the text ends where the terminal does.
      const room = (io.columns ?? 80) - 1;
      const text = meter.describe(step).slice(0, room);
      const width = Math.min(BAR_WIDTH, room - text.length - 1);
      const filled = Math.round(meter.fraction * width);
      const bar =
        width < LEAST_BAR
          ? ''
          : `${colors.green('━'.repeat(filled))}${colors.dim('─'.repeat(width - filled))} `;
      io.err(`${CLEAR}${bar}${text}`);
    },
    line: text => io.err(`${CLEAR}${text}\n`),
    end: () => io.err(CLEAR),
  };
}

function lineProgress(io: Io, plan: ProgressPlan, clock: () => number): Progress {
  const meter = new Meter(plan, clock);
  return {
    step(step) {
      meter.add(step);
      if (step.step % plan.logEvery === 0) io.err(`${meter.describe(step)}\n`);
    },
    line: text => io.err(`${text}\n`),
    end: () => {},
  };
}

/** Rate and time left, from what was done since the beginning of this process (a resumed run began in another). */
class Meter {
  private readonly began: number;
  private samples = 0;
  private steps = 0;
  private loss: number | undefined;
  private done = 0;

  constructor(
    private readonly plan: ProgressPlan,
    private readonly clock: () => number,
  ) {
    this.began = clock();
  }

  add(step: ProgressStep): void {
    this.samples += step.samples;
    this.steps += 1;
    this.done = step.step;
    this.loss = step.loss ?? this.loss;
  }

  /** 0..1. */
  get fraction(): number {
    return Math.min(1, this.done / this.plan.totalSteps);
  }

  describe({ epoch, step }: ProgressStep): string {
    const seconds = Math.max(1e-6, (this.clock() - this.began) / 1000);
    const left = (seconds / this.steps) * Math.max(0, this.plan.totalSteps - step);
    const loss = this.loss === undefined ? '' : `  loss ${this.loss.toPrecision(4)}`;
    const rate = formatRate(this.samples / seconds);
    return `epoch ${epoch}/${this.plan.numEpochs}  step ${step}/${this.plan.totalSteps}${loss}  ${rate}  ${formatDuration(left)} left`;
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
