/** The directory of a sweep: plan, frozen configs, journal, run directories of the trials. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { readText, writeAtomic, writeJsonAtomic } from '../run/files.js';
import { checkName, createStamped } from '../run/folders.js';
import { parseJson } from '../run/json.js';
import { damagedError, usageError } from '../util/errors.js';
import { type Base, plan as planShape, type SweepPlan } from './schedule/plan.js';
import type { Segment } from './schedule/records.js';

/** A resolved base config: paths absolute, all defaults filled in. */
export interface FrozenBase extends Pick<Base, 'name'> {
  readonly yaml: string;
}

export class SweepDirectory {
  private constructor(readonly path: string) {}

  get id(): string {
    return basename(this.path);
  }

  /** The output root: of `<outputRoot>/sweeps/<name>/<id>`. */
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

  /** Creates `<outputRoot>/sweeps/<name>/<UTC time>/`. A directory without a plan never started. */
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
    const path = createStamped(join(resolve(outputRoot), 'sweeps', plan.name), started, outputRoot);
    const directory = new SweepDirectory(path);
    const { configs, trials, given, plan: planFile } = directory.files;
    mkdirSync(configs);
    mkdirSync(trials);
    for (const { name, yaml } of bases) writeAtomic(join(configs, name), [yaml]);
    if (givenYaml !== null) writeAtomic(given, [givenYaml]);
    writeJsonAtomic(planFile, plan);
    return directory;
  }

  /** Whether `path` is the directory of a sweep. */
  static isAt(path: string): boolean {
    return existsSync(new SweepDirectory(resolve(path)).files.plan);
  }

  static open(path: string): SweepDirectory {
    const directory = new SweepDirectory(resolve(path));
    const fail = (message: string) => usageError({ code: 'sweep/not-a-sweep', message, file: path });
    if (!statSync(directory.path, { throwIfNoEntry: false })?.isDirectory())
      throw fail('the sweep directory does not exist');
    if (!existsSync(directory.files.plan)) throw fail('not a sweep directory: it has no plan.json');
    return directory;
  }

  readPlan(): SweepPlan {
    const { plan: file } = this.files;
    const plan = parseJson(file, readText(file, { follow: false }));
    const missing = Object.keys(planShape.keys).find(key => !Object.hasOwn(Object(plan), key));
    if (missing === undefined) return plan as SweepPlan;
    const message = `the plan of the sweep has no \`${missing}\``;
    throw damagedError({ code: 'sweep/damaged', message, file });
  }

  /** Path of a base config. An edited one is refused: later trials would differ. */
  baseFile({ name, sha256 }: Base): string {
    const file = join(this.files.configs, name);
    const text = readText(file, { follow: false });
    if (createHash('sha256').update(text).digest('hex') === sha256) return file;
    throw damagedError({
      code: 'sweep/base-changed',
      message: 'this config was changed after the sweep began',
      file,
      expected: 'the unchanged config; start a new sweep to use another one',
    });
  }

  runPath({ trial, seed }: Pick<Segment, 'trial' | 'seed'>): string {
    return join(this.files.trials, `t${String(trial).padStart(4, '0')}-s${seed}`);
  }

  write(file: 'summary' | 'table' | 'best', text: string): void {
    writeAtomic(this.files[file], [text]);
  }
}
