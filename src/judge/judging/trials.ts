/**
 * Reviews runs of a sweep's trials. A run that its sweep paused or pruned is not judged; all others
 * are. Its gates are located in the user's config, not in the sweep's copy of it.
 */
import { basename, dirname, relative } from 'node:path';
import { sweepFolder } from '../../run/find.js';
import {
  bestRow,
  changedFiles,
  missingRuns,
  readSweepResults,
  type SweepResults,
  sweepCautions,
  type TrialRow,
  troubleOf,
} from '../../sweep/index.js';
import { placeOf, UserError } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { ReviewedRun, RunFacts } from './run-facts.js';

export interface SweepReview {
  readonly directory: string;
  readonly name: string;
  readonly state: SweepResults['state'] | 'damaged';
  readonly message: string | null;
}

interface KnownSweep {
  readonly review: SweepReview;
  readonly bases: SweepResults['plan']['bases'];
  readonly rows: ReadonlyMap<string, TrialRow>;
  readonly epochs: number;
  readonly metric: string;
  readonly best: TrialRow | undefined;
  readonly cautions: readonly string[];
}

/** Reads the sweeps of the runs that it is asked about, each once. */
export class Trials {
  private readonly sweeps = new Map<string, KnownSweep>();

  notJudged({ directory, state }: RunFacts): string | undefined {
    const sweep = this.sweepOf(directory);
    const row = sweep?.rows.get(directory);
    if (sweep === undefined || row === undefined) return undefined;
    // any other state means trouble, whatever was decided about the trial
    if (state !== 'interrupted' && state !== 'completed') return undefined;
    if (row.state !== 'paused' && row.state !== 'pruned') return undefined;
    return `${row.state} by its sweep after ${row.epochs} of ${counted(sweep.epochs, 'epoch')}`;
  }

  placed(run: ReviewedRun): ReviewedRun {
    const placed = this.withCautions(this.withOrigins(run));
    const contradiction = run.doubt === undefined ? this.contradiction(run) : undefined;
    return contradiction === undefined
      ? placed
      : { ...placed, doubt: { reason: contradiction, isDamage: true } };
  }

  private withCautions(run: ReviewedRun): ReviewedRun {
    const { facts } = run;
    const sweep = this.sweepOf(facts.directory);
    if (sweep?.best === undefined || sweep.rows.get(facts.directory) !== sweep.best) return run;
    return { ...run, facts: { ...facts, cautions: [...facts.cautions, ...sweep.cautions] } };
  }

  /** How a completed run contradicts the records of its sweep; undefined if it does not. */
  private contradiction({ facts, last }: ReviewedRun): string | undefined {
    const sweep = this.sweepOf(facts.directory);
    const row = sweep?.rows.get(facts.directory);
    const told = row?.seeds.find(({ seed }) => seed === facts.seed);
    if (sweep === undefined || row === undefined || told === undefined || facts.state !== 'completed')
      return undefined;
    if (facts.epochs !== null && facts.epochs > told.epochs)
      return `it continued to epoch ${facts.epochs}, but its sweep recorded ${told.epochs}`;
    const value = last(sweep.metric);
    const isSame = Number.isFinite(value) ? value === told.value : told.value === null;
    return isSame ? undefined : `its sweep recorded ${sweep.metric} ${told.value}, but the run has ${value}`;
  }

  /** Moves gates to the user's config; to the whole file if the sweep lacks their positions. */
  private withOrigins(run: ReviewedRun): ReviewedRun {
    const copy = run.facts.config_files.at(-1);
    const base = this.sweepOf(run.facts.directory)?.bases.find(({ name }) =>
      copy?.endsWith(`configs/${name}`),
    );
    if (base === undefined) return run;
    const asked = run.asked.map((gate, i) => {
      const isOfCopy = gate.origin.startsWith(`${copy}:`);
      return isOfCopy ? { ...gate, origin: base.gate_origins?.[i] ?? base.file } : gate;
    });
    return { ...run, asked, facts: { ...run.facts, config_files: base.config_files ?? [] } };
  }

  get reviews(): SweepReview[] {
    return [...this.sweeps.values()].map(({ review }) => review);
  }

  private sweepOf(run: string): KnownSweep | undefined {
    const folder = sweepFolder(run);
    if (folder === undefined) return undefined;
    const known = this.sweeps.get(folder) ?? readSound(folder);
    this.sweeps.set(folder, known);
    return known;
  }
}

/**
 * The review of a sweep with all its trials: damaged if the run of a trial is missing, or if trials
 * were trained with different contents of a file.
 */
export function withRunsChecked(sweep: SweepReview): SweepReview {
  if (sweep.state === 'damaged') return sweep;
  const { directory, plan, records } = readSweepResults(sweep.directory);
  const missing = missingRuns(directory, records);
  const found = [...missing, ...changedFiles(directory, plan, records)].map(
    ({ message, file = '' }) => `${message}: ${relative(directory.path, file)}`,
  );
  if (found.length === 0) return sweep;
  const message = [...(sweep.message === null ? [] : [sweep.message]), ...found].join('; ');
  return { ...sweep, state: 'damaged', message };
}

function readSound(folder: string): KnownSweep {
  try {
    return readSweep(folder);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = error.diagnostics.map(one => `${placeOf(one)}${one.message}`).join('; ');
    const review = { directory: folder, name: basename(dirname(folder)), state: 'damaged', message } as const;
    return { review, bases: [], rows: new Map(), epochs: 0, metric: '', best: undefined, cautions: [] };
  }
}

function readSweep(folder: string): KnownSweep {
  const results = readSweepResults(folder);
  const { directory, plan, state, records } = results;
  const rows = records.rows.flatMap(row =>
    plan.seeds.map(seed => [directory.runPath({ trial: row.trial, seed }), row] as const),
  );
  const review = { directory: folder, name: plan.name, state, message: messageOf(results) };
  const { metric } = plan.objective;
  return {
    review,
    bases: plan.bases,
    rows: new Map(rows),
    epochs: plan.epochs,
    metric,
    best: bestRow(plan, records),
    cautions: sweepCautions(plan, records.rows),
  };
}

function messageOf({ state, records, damage }: SweepResults): string | null {
  const trouble = troubleOf(records)?.message;
  const ended = state === 'completed' ? undefined : `${STATES[state]}${trouble ? `: ${trouble}` : ''}`;
  const parts = [ended, ...damage].filter(part => part !== undefined);
  return parts.length === 0 ? null : parts.join('; ');
}

const STATES: Readonly<Record<Exclude<SweepResults['state'], 'completed'>, string>> = {
  running: 'the sweep is still running',
  failed: 'the sweep failed',
  interrupted: 'the sweep was interrupted',
  killed: 'the sweep was killed before it ended',
  'not begun': 'the sweep has not begun',
};
