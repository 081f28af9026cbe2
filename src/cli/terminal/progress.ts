/**
 * Shows the progress of a training or an evaluation on stderr: a bar on a terminal, else a line
 * every few seconds; nothing if quiet. The clock affects only what is shown.
 */
import type { RunObserver } from '../../train/recorder.js';
import { formatDuration } from '../../util/numbers.js';
import type { Io } from './io.js';

const INTERVALS = { bar: 100, line: 5000 };
const WIDTH = 24;
const MIN_WIDTH = 6;

type Evaluated = Parameters<RunObserver['evaluated']>[0];

export function createProgress(io: Io, quiet: boolean, clock = (): number => performance.now()) {
  const block = io.interactive ? new Block(io) : undefined;
  let plan = { totalSteps: 0, numEpochs: 0 };
  let shown = Number.NEGATIVE_INFINITY;
  const isDue = () => clock() - shown >= (block ? INTERVALS.bar : INTERVALS.line);
  const line = (text: string): void => {
    if (block) block.line(text);
    else io.err(`${text}\n`);
  };
  /** The latest evaluation, if it was not printed. */
  let pending: string | undefined;
  const show = (fraction: number, describe: () => string): void => {
    if (quiet || !isDue()) return;
    shown = clock();
    const text = pending ?? describe();
    pending = undefined;
    if (block) block.draw([`${bar(fraction, block.width - text.length - 1)}${text}`]);
    else line(text);
  };
  // the first step compiles, so the time begins at its end
  let began = 0;
  let mark = 0;
  const done = { steps: 0, samples: 0, milliseconds: 0 };
  let latest: number | undefined;
  let splitBefore: string | undefined;
  /** Time since then is not that of a step. */
  const pause = () => {
    mark = clock();
  };
  const speed = (step: number): string[] => {
    if (done.steps < 2) return [];
    const rate = (1000 * done.samples) / Math.max(1e-3, done.milliseconds);
    const left = ((clock() - began) / (done.steps - 1)) * Math.max(0, plan.totalSteps - step);
    const perSecond = rate >= 100 ? Math.round(rate) : rate.toPrecision(2);
    return [`${perSecond} samples/s`, `${formatDuration(left / 1000)} left`];
  };
  return {
    begin(planned: { readonly totalSteps: number; readonly numEpochs: number }): void {
      plan = planned;
      if (!block) shown = clock();
    },
    /** A step over `samples` sequences has ended; `loss` if it was read. */
    step({ epoch, step, samples, loss }: Parameters<RunObserver['step']>[0]): void {
      const now = clock();
      if (done.steps === 0) began = now;
      else {
        done.samples += samples;
        done.milliseconds += now - mark;
      }
      done.steps += 1;
      mark = now;
      latest = loss ?? latest;
      show(step / plan.totalSteps, () =>
        [
          `epoch ${epoch}/${plan.numEpochs}`,
          `step ${step}/${plan.totalSteps}`,
          ...(latest === undefined ? [] : [`loss ${latest.toPrecision(4)}`]),
          ...speed(step),
        ].join('  '),
      );
    },
    evaluating({ done, total }: { readonly done: number; readonly total: number }): void {
      if (block) show(done / total, () => `evaluating ${done}/${total}`);
    },
    /** In a log, prints the first and the last evaluation of a split, and others at intervals. */
    evaluated({ split, left, text }: Pick<Evaluated, 'split' | 'left' | 'text'>) {
      const isFirst = split !== splitBefore;
      splitBefore = split;
      pause();
      pending = undefined;
      if (quiet) return;
      if (!(block || isFirst || left === 0 || isDue())) pending = text;
      else {
        if (!block) shown = clock();
        line(text);
      }
    },
    saved: pause,
    line,
    /** Clears the bar; the last call. */
    end(): void {
      block?.clear();
      if (pending !== undefined) line(pending);
    },
  };
}

function bar(fraction: number, room: number): string {
  const width = Math.min(WIDTH, room);
  if (width < MIN_WIDTH) return '';
  const full = Math.round(Math.min(1, fraction) * width);
  return `${'━'.repeat(full)}${'─'.repeat(width - full)} `;
}

const SIZE = { columns: 80, rows: 24 };

/** Lines at the end of a terminal that are redrawn in place. */
export class Block {
  private drawn: readonly string[] = [];

  constructor(private readonly io: Pick<Io, 'err' | 'columns' | 'rows'>) {}

  /** Usable columns: after the last one, some terminals start a new line. */
  get width(): number {
    return (this.io.columns ?? SIZE.columns) - 1;
  }

  /** Replaces the block in one write, so that it does not flicker. */
  draw(lines: readonly string[]): void {
    // the cursor is below the block and cannot return to lines that scrolled off the screen
    const max = Math.max(1, (this.io.rows ?? SIZE.rows) - 1);
    const shown = lines.slice(0, max).map(line => line.slice(0, this.width));
    if (shown.join('\n') === this.drawn.join('\n')) return;
    this.io.err(`${this.erasure}${shown.map(line => `${line}\n`).join('')}`);
    this.drawn = shown;
  }

  /** Writes a line above the block, which returns with the next `draw`. */
  line(text: string): void {
    this.io.err(`${this.erasure}${text}\n`);
    this.drawn = [];
  }

  clear(): void {
    if (this.drawn.length > 0) this.io.err(this.erasure);
    this.drawn = [];
  }

  private get erasure(): string {
    if (this.drawn.length === 0) return '';
    // lines wrap if the window was narrowed
    const columns = this.io.columns ?? SIZE.columns;
    const height = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    return `\u001b[${height}A\r\u001b[J`;
  }
}
