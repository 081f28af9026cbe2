/**
 * The directory of one sweep: its plan, its frozen base configs, its journal, its trials' run
 * directories.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { writeAtomic, writeFlushed, writeJsonAtomic } from '../experiment/files/atomic.js';
import { whereNotJson } from '../experiment/files/json.js';
import { createExclusively } from '../experiment/files/new-folder.js';
import { withFile } from '../experiment/files/opened-file.js';
import { NO_NOTES, type Notes } from '../experiment/notes.js';
import { checkName, readJson } from '../experiment/run-directory.js';
import { damagedError, usageError } from '../util/errors.js';
import type { Base, SweepPlan } from './plan.js';
import type { Segment } from './records.js';

/** A base config, resolved: paths absolute, every default filled in. */
export interface FrozenBase extends Base {
  readonly yaml: string;
}

/** What no plan is without, whatever version wrote it. */
const ESSENTIAL = [
  'name',
  'seed',
  'seeds',
  'space',
  'method',
  'pruner',
  'objective',
  'budget',
  'epochs',
  'bases',
] as const satisfies readonly (keyof SweepPlan)[];

export class SweepDirectory {
  private constructor(
    /** Absolute. */
    readonly path: string,
  ) {}

  get id(): string {
    return basename(this.path);
  }

  /** The one that it was made in: `<outputRoot>/sweeps/<name>/<id>`. */
  get outputRoot(): string {
    return resolve(this.path, '..', '..', '..');
  }

  get files() {
    const at = (name: string): string => join(this.path, name);
    return {
      plan: at('plan.json'),
      given: at('sweep.yaml'),
      journal: at('journal.jsonl'),
      configs: at('configs'),
      trials: at('trials'),
      lock: at('sweep.lock'),
      summary: at('summary.json'),
      table: at('trials.csv'),
      best: at('best.yaml'),
      notes: at('notes.json'),
    };
  }

  /**
   * Creates `<outputRoot>/sweeps/<name>/<UTC time>/` with plan and configs in it; the plan is
   * written last, so that a directory without one is a sweep that never began. Throws exit 2 where
   * the name is not allowed or the root cannot be written to.
   */
  static create(
    plan: SweepPlan,
    {
      outputRoot,
      started,
      givenYaml,
      bases,
    }: { outputRoot: string; started: Date; givenYaml: string | null; bases: readonly FrozenBase[] },
  ): SweepDirectory {
    checkName(plan.name);
    const path = createExclusively(join(resolve(outputRoot), 'sweeps', plan.name), started, {
      named: outputRoot,
      nameOf: stamp => stamp,
    });
    const directory = new SweepDirectory(path);
    const { configs, trials, given, plan: planFile } = directory.files;
    mkdirSync(configs);
    mkdirSync(trials);
    for (const { name, yaml } of bases) writeFlushed(join(configs, name), [yaml]);
    if (givenYaml !== null) writeFlushed(given, [givenYaml]);
    writeJsonAtomic(planFile, plan);
    return directory;
  }

  /** Whether `path` is the directory of a sweep. */
  static isAt(path: string): boolean {
    return existsSync(new SweepDirectory(resolve(path)).files.plan);
  }

  /** An existing sweep. Throws exit 2 where `path` is not one. */
  static open(path: string): SweepDirectory {
    const directory = new SweepDirectory(resolve(path));
    const fail = (message: string) => usageError({ code: 'sweep/not-a-sweep', message, file: path });
    if (!statSync(directory.path, { throwIfNoEntry: false })?.isDirectory())
      throw fail('there is no such sweep directory');
    if (!existsSync(directory.files.plan)) throw fail('this is not a sweep directory: it has no plan.json');
    return directory;
  }

  /** Throws exit 5 where it is damaged, exit 2 where it cannot be read. */
  readPlan(): SweepPlan {
    const { plan: file } = this.files;
    const text = withFile(file, opened => opened.read(0, opened.bytes), { follow: false }).toString('utf8');
    const damaged = (message: string, place: { line?: number; column?: number } = {}) =>
      damagedError({ code: 'sweep/damaged', message, file, ...place });
    let plan: unknown;
    try {
      plan = JSON.parse(text);
    } catch {
      throw damaged('this is not JSON, and so not the plan of a sweep', whereNotJson(text));
    }
    const missing = ESSENTIAL.find(key => !Object.hasOwn(Object(plan), key));
    if (missing !== undefined) throw damaged(`this is not the plan of a sweep: it has no \`${missing}\``);
    return plan as SweepPlan;
  }

  baseFile({ name }: Pick<Base, 'name'>): string {
    return join(this.files.configs, name);
  }

  /** Where the run of a trial with one of the seeds is. */
  runPath({ trial, seed }: Pick<Segment, 'trial' | 'seed'>): string {
    return join(this.files.trials, `t${String(trial).padStart(4, '0')}-s${seed}`);
  }

  /** Throws as `readPlan` does. */
  readNotes(): Notes {
    return readJson<Notes>(this.files.notes, 'notes') ?? NO_NOTES;
  }

  writeNotes(notes: Notes): void {
    writeJsonAtomic(this.files.notes, notes);
  }

  write(file: 'summary' | 'table' | 'best', text: string): void {
    writeAtomic(this.files[file], [text]);
  }
}
