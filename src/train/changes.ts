/**
 * What a run records of itself, and what changed since it started: safe changes, and those that a
 * user must allow by name. Whether a run can resume with them is found out before anything is
 * changed on the disk.
 */

import { configDifferences } from '../config/explain.js';
import { changesResults, type LoadedExperiment } from '../config/index.js';
import { onResume } from '../config/key-facts.js';
import {
  type DataRecord,
  type Dataset,
  recordedFiles,
  recordedStarts,
  SPLITS,
  type SplitFile,
  startOf,
} from '../data/index.js';
import { ownSeed } from '../data/kinds.js';
import { EXECUTORS } from '../engine/backend.js';
import { machineArithmetic } from '../engine/simd-compile.js';
import { usedWidth } from '../engine/width.js';
import { dirname, execute, fs, join, resolve } from '../host/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { initialWeightsOf } from '../math/model/settings.js';
import { symbolInputs } from '../math/model/spec.js';
import { carriedStates } from '../math/model/walk.js';
import { optimizerOf } from '../math/optimizers/index.js';
import type { RunDirectory } from '../run/directory.js';
import { sha256 } from '../run/files.js';
import { ownStepHashes } from '../run/integrity.js';
import type { Json } from '../run/json.js';
import { readEvents } from '../run/log.js';
import {
  type GitState,
  INPUT_CHANGED,
  type Manifest,
  type ManifestChange,
  machine,
  versions,
} from '../run/manifest.js';
import type { Run } from '../run/run.js';
import {
  caught,
  type Diagnostic,
  damagedError,
  damagedErrors,
  UserError,
  usageError,
  usageErrors,
} from '../util/errors.js';
import type { OnResume } from '../util/schema.js';
import { counted } from '../util/words.js';
import type { SavedState } from './checkpoints.js';
import { planRun } from './plan.js';
import type { Fitted, Session } from './session.js';
import type { ResumePoint, RunContext } from './train.js';
import { unfitTensors, weightsChanged } from './weights.js';

export type Change = Pick<ManifestChange, 'key' | 'from' | 'to'>;

const LOG_EVERY = 'training.log_every';
const WIDTH = 'width';

const MACHINE = ['backend', 'arithmetic', 'version', 'gpu.js'] as const;

/** `unsafe`: alters results; recorded in the manifest if the user allows it by name. */
export type ChangeKind = 'safe' | 'unsafe' | 'impossible';

function kindOf(change: Change, loaded: LoadedExperiment): ChangeKind {
  const fact = resumeFact(change, loaded);
  if (typeof fact === 'string') return fact;
  return 'never' in fact ? 'impossible' : 'unsafe';
}

function resumeFact(change: Change, { experiment }: LoadedExperiment): OnResume {
  const { key } = change;
  if (key === WIDTH) return 'safe';
  return MACHINE.some(name => name === key) ? 'unsafe' : onResume(key, change, experiment);
}

/** Keys whose values differ between two configs; null for an absent value. */
export function configChanges(before: LoadedExperiment, after: LoadedExperiment): Change[] {
  const changes = configDifferences(before, after).map(({ key, a, b }) => ({
    key,
    from: (a?.value ?? null) as Json,
    to: (b?.value ?? null) as Json,
  }));
  // a run whose config does not set log_every keeps its original interval
  return changes.filter(({ key, to }) => key !== LOG_EVERY || to !== null);
}

/** Changes of the vector width of webasm, which does not affect results but is recorded. */
export function widthChanges({ backend, changes = [] }: Manifest, now: Manifest['backend']): Change[] {
  const from = changes.findLast(({ key }) => key === WIDTH)?.to ?? backend.width ?? null;
  const to = now.width ?? null;
  return from === null || to === null || from === to ? [] : [{ key: WIDTH, from, to }];
}

/** Changes of backend, arithmetic and versions, which also affect the exact bytes of results. */
export function machineChanges(then: Manifest, now: Pick<Manifest, 'backend' | 'versions'>): Change[] {
  const facts = ({ backend, versions }: typeof now): Partial<Record<(typeof MACHINE)[number], Json>> => ({
    backend: backend.name,
    // only comparable within one backend
    ...(backend.name === then.backend.name && { arithmetic: backend.arithmetic }),
    version: versions.cellrun,
    'gpu.js': versions['gpu.js'],
  });
  const [before, after] = [facts(then), facts(now)];
  return MACHINE.flatMap(key => {
    const [from, to] = [before[key], after[key]];
    return from === undefined || to === undefined || from === to ? [] : [{ key, from, to }];
  });
}

/** Refuses changes that are impossible, with all others, which is known without the data. */
export function refuseImpossible(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  if (changes.some(change => kindOf(change, loaded) === 'impossible'))
    throw usageErrors(describeChanges(changes, allowed, loaded));
}

/** Also refuses keys in `allowed` that have not changed: these are probably typos. */
export function checkAllowed(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): void {
  const isRefused = (change: Change) => kindOf(change, loaded) === 'unsafe' && !covers(allowed, change.key);
  const refused = changes.some(isRefused) ? describeChanges(changes, allowed, loaded) : [];
  const idle = allowed.filter(allowedKey => !changes.some(({ key }) => covers([allowedKey], key)));
  const expected =
    changes.length > 0 ? `one of ${changes.map(change => change.key).join(', ')}` : 'no change to allow';
  const problems = [
    ...refused,
    ...idle.map(key => ({
      code: 'resume/not-changed',
      message: `${key} has not changed`,
      file: '--allow-change',
      expected,
      got: key,
    })),
  ];
  if (problems.length > 0) throw usageErrors(problems);
}

function covers(keys: readonly string[], key: string): boolean {
  return keys.some(prefix => key === prefix || key.startsWith(`${prefix}.`));
}

/** Describes each change with its classification, refused changes first. */
function describeChanges(
  changes: readonly Change[],
  allowed: readonly string[],
  loaded: LoadedExperiment,
): Diagnostic[] {
  const order: readonly ChangeKind[] = ['impossible', 'unsafe', 'safe'];
  const rank = (change: Change) => order.indexOf(kindOf(change, loaded));
  const sorted = changes.toSorted((a, b) => rank(a) - rank(b));
  // if one change is impossible, allowing the others is no use
  const isHopeless = sorted.length > 0 && rank(sorted[0]) === 0;
  const { locator } = loaded;
  return sorted.map(change => {
    const { key } = change;
    const allow = isHopeless ? 'a new run' : `--allow-change ${key} to resume with the change`;
    const was = JSON.stringify(change.from);
    const fact = resumeFact(change, loaded);
    const why = typeof fact === 'object' ? `: ${Object.values(fact)[0]}` : '';
    const [code, message, instead] =
      typeof fact === 'object' && 'never' in fact
        ? ['resume/impossible', `cannot change after a run has started${why}`, 'a new run']
        : fact === 'safe'
          ? ['resume/safe', `may change (was ${was}): earlier results remain valid`]
          : covers(allowed, key)
            ? ['resume/allowed', `is allowed to change (was ${was}); results will differ${why}`]
            : ['resume/changed', `differs from the start of the run, so results would differ${why}`, allow];
    const more = {
      ...(instead !== undefined && { expected: `${was}, or ${instead}` }),
      got: JSON.stringify(change.to),
    };
    const path = key.split('.');
    const text = `\`${key}\` ${message}`;
    return locator.isGiven(path) ? locator.atValue(path, code, text, more) : { code, message: text, ...more };
  });
}

/** For example `training.num_epochs: 2 -> 4`. */
export function inWords({ key, from, to }: Change): string {
  return `${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

/** Refuses another config, and lists every key that differs and what to do. */
export function refuseOtherConfig(run: Run, loaded: LoadedExperiment): void {
  const { manifest, directory } = run;
  if (manifest === undefined) return;
  const { initial_weights: then, config_hash } = manifest;
  const { experiment, weightsDigest: now } = loaded;
  const isSame = initialWeightsOf(experiment.model)?.path === then?.name;
  if (then && isSame && now !== undefined && now !== then.sha256)
    throw damagedErrors([weightsChanged(then.name, then.sha256, now)]);
  // with equal hashes, only data paths may differ, as in another checkout
  const changes = configChanges(run.experiment(), loaded).filter(
    ({ key }) => config_hash !== loaded.hash || !changesResults(key, experiment),
  );
  if (changes.length === 0) return;
  const isHopeless =
    changes.some(change => kindOf(change, loaded) === 'impossible') ||
    changes.some(({ to }) => to === null || typeof to === 'object');
  const set = changes.map(({ key, to }) => `--set ${key}=${String(to)}`);
  const unsafe = changes.filter(change => kindOf(change, loaded) === 'unsafe');
  const flags = [...set, ...unsafe.map(({ key }) => `--allow-change ${key}`)].join(' ');
  const advice = isHopeless
    ? '`resume` continues the run with its own config; this config needs a separate directory'
    : `\`resume ${flags}\` resumes the run with the changes`;
  throw usageErrors([
    {
      code: 'run/other-config',
      message: `the run in this directory was started with another config; ${advice}`,
      file: directory.path,
    },
    ...describeChanges(changes, [], loaded),
  ]);
}

/** Without this check, a run that lost its checkpoints would silently start over. */
export function refuseLostCheckpoints({ files }: RunDirectory): void {
  if (!readEvents(files.log).some(({ event }) => event === 'checkpoint.saved')) return;
  throw damagedError(
    'resume/checkpoints-lost',
    'the log records checkpoints, but none exists: restore one, or start a new run',
    { file: files.checkpoints },
  );
}

/** Without changes, a checkpoint that does not fit is damaged (exit 5). */
export function checkResumable(
  { checkpoint: { path, tensors }, saved: { position } }: ResumePoint,
  loaded: LoadedExperiment,
  session: Session,
  changes: readonly Change[],
): void {
  const { optimizer, training } = loaded.experiment;
  const problems: Diagnostic[] = unfitTensors(path, tensors, {
    layout: new ParameterLayout(session.spec),
    optimizerStates: optimizerOf(optimizer).state(optimizer),
    hasAverage: training.average !== undefined,
    carried: new Map(
      carriedStates(session.spec).map(({ name, size }) => [name, [training.batch_size, size]]),
    ),
  });
  const plan = caught(() => planRun(loaded, session, position));
  if (plan instanceof UserError) problems.push(...plan.diagnostics);
  const end = plan instanceof UserError ? 0 : plan.totalSteps;
  const [first] = problems;
  if (first && changes.length === 0) throw damagedErrors(problems);
  if (first)
    throw usageErrors([
      {
        ...first,
        code: 'resume/unfit',
        message: `the run cannot resume from its checkpoint with these changes (${changes.map(inWords).join('; ')}): ${first.message}`,
      },
    ]);
  if (position.step <= end) return;
  const decides = end === training.max_steps ? 'max_steps' : 'num_epochs';
  const message = `the run has completed ${counted(position.step, 'step')}, but the new config ends after ${end}`;
  const expected = 'larger training.num_epochs or training.max_steps';
  throw usageErrors([
    loaded.locator.atValue(['training', decides], 'resume/past-end', message, { expected }),
  ]);
}

/** Otherwise the manifest would record settings that the run was not trained with. */
export function checkUse(
  { position, evaluated }: SavedState,
  loaded: LoadedExperiment,
  session: Session,
  changes: readonly Change[],
): void {
  const change = changes.find(candidate => kindOf(candidate, loaded) === 'unsafe');
  if (change === undefined || !evaluated) return;
  if (position.step < planRun(loaded, session, position).totalSteps) return;
  throw usageError(
    'resume/nothing-left',
    `the run has completed all of its ${counted(position.step, 'step')}, so changing \`${change.key}\` has no effect`,
    { expected: 'more steps as well: --set training.num_epochs=N or training.max_steps=N; or a new run' },
  );
}

/** What a change of the config replaces. Also keeps the baselines of the gates. */
function configFacts({ loaded, session, gates, directory }: RunContext) {
  return {
    config_hash: loaded.hash,
    step_hash: loaded.stepHash,
    digests: {
      [directory.nameOf(directory.files.resolvedConfig)]: sha256(loaded.resolvedYaml),
      ...directory.keepBaselines(gates.baselines),
    },
    gate_origins: gates.written.map(({ origin }) => origin),
    datasets: recordedFiles(session.dataset.digests),
    data: dataRecord(session),
  };
}

/** `git` is the state of the config's repository. */
export function newManifest(
  run: RunContext,
  { started, commandLine }: { readonly started: Date; readonly commandLine: readonly string[] },
  git: GitState | null,
): Manifest {
  const { loaded, session, directory, logEvery, weights } = run;
  const { dataset, spec } = session;
  const { experiment, files, givenYaml } = loaded;
  const ofData = ownSeed(experiment.dataset);
  const { digests, ...facts } = configFacts(run);
  return {
    version: 1,
    started: started.toISOString(),
    run_id: directory.id,
    name: experiment.name,
    ...facts,
    directory: directory.path,
    digests: { [directory.nameOf(directory.files.config)]: sha256(givenYaml), ...digests },
    config_files: files,
    log_every: logEvery,
    backend: backendFacts(session),
    ...(weights && { initial_weights: weights }),
    ...(dataset.scaling && { scaling: dataset.scaling }),
    seeds: { experiment: experiment.seed, ...(ofData !== undefined && { dataset: ofData }) },
    parameters: new ParameterLayout(spec).size,
    command_line: commandLine,
    versions: versions(),
    git,
    machine: machine(),
  };
}

/** The manifest with changes of a resume, which the next resume compares with. */
export function changedManifest(
  run: RunContext,
  manifest: Manifest,
  changes: readonly Change[],
  at: { readonly time: string; readonly step: number },
): Manifest {
  const { digests, ...facts } = configFacts(run);
  const known = new Map(manifest.datasets.map(({ name, sha256 }) => [name, sha256]));
  const data = facts.datasets
    .filter(({ name, sha256 }) => known.get(name) !== sha256)
    .map(({ name, sha256 }) => ({ key: `datasets.${name}`, from: known.get(name) ?? null, to: sha256 }));
  // those that the run's checkpoints may have from now on
  const earlier = [...ownStepHashes(manifest)].filter(hash => hash !== facts.step_hash);
  return {
    ...manifest,
    ...facts,
    ...(earlier.length > 0 && { earlier_step_hashes: earlier }),
    digests: { ...manifest.digests, ...digests },
    changes: [...(manifest.changes ?? []), ...[...changes, ...data].map(change => ({ ...at, ...change }))],
  };
}

export function backendFacts({ choice, run }: Pick<Session, 'choice' | 'run'>): Manifest['backend'] {
  const onGpu = choice.backend === 'webgpu';
  return {
    name: choice.backend,
    reason: choice.reason,
    executor: EXECUTORS[choice.backend],
    arithmetic: choice.backend === 'webasm' ? (run.arithmetic ?? machineArithmetic()) : null,
    width: run.width === undefined ? null : usedWidth(run.width, run.arithmetic),
    threads: onGpu ? null : run.threads,
    adapter: onGpu ? (choice.adapter?.description ?? null) : null,
  };
}

/** Properties of the data that predictions need. */
export function dataRecord({ dataset, run, spec }: Pick<Session, 'dataset' | 'run' | 'spec'>): DataRecord {
  const weights = run.loss.kind === 'cross_entropy' ? run.loss.class_weights : undefined;
  return {
    // the config may have more symbols than the data
    input:
      dataset.input.kind === 'symbol'
        ? { ...dataset.input, count: symbolInputs(spec)[0].count }
        : dataset.input,
    sequence_length: run.sequenceLength,
    variable_length: run.variableLength,
    ...(dataset.firstPrediction !== undefined && { first_prediction: dataset.firstPrediction }),
    output_size: spec.outputSize,
    ...(run.targetLength !== undefined && { target_length: run.targetLength }),
    ...(dataset.classLabels && { class_names: dataset.classLabels }),
    ...(dataset.targetNames && { target_names: dataset.targetNames }),
    ...(dataset.image && { image: dataset.image }),
    ...(dataset.recordings && { sample_rate: dataset.recordings.sampleRate }),
    ...(dataset.preparation && { preparation: dataset.preparation }),
    ...(Array.isArray(weights) && { class_weights: weights }),
    ...(dataset.vocabulary && { vocabulary: dataset.vocabulary }),
    ...(dataset.seriesScaling && { series_scaling: dataset.seriesScaling }),
  };
}

/** A run's record of the data that it was trained on. */
export type RunData = Pick<Manifest, 'datasets' | 'data' | 'scaling'>;

/** Values that a run fitted on its training split; empty without a run. */
export function fittedBy(run: RunData | undefined): Fitted {
  const { preparation, vocabulary } = run?.data ?? {};
  return { preparation, scaling: run?.scaling, vocabulary };
}

/**
 * Names may differ, since files may have been moved; content, split and order within a split may
 * not.
 */
export function checkSameData({ digests }: Dataset, run: RunData): void {
  const [now, then] = [recordedFiles(digests), run.datasets].map(files =>
    SPLITS.flatMap(split => files.filter(file => file.split === split)),
  );
  const isSame = now.every(({ sha256, split }, i) => sha256 === then[i]?.sha256 && split === then[i].split);
  if (isSame && now.length === then.length) return;
  const change = (file: string, message: string, more: Partial<Diagnostic> = {}) => ({
    code: 'run/data-changed',
    message,
    file,
    ...more,
  });
  const matched = new Set<RunData['datasets'][number]>();
  const found = now.flatMap(({ name, sha256, split }, i) => {
    const earlier =
      then.find(file => file.name === name) ??
      then.find(file => file.sha256 === sha256 && !matched.has(file)) ??
      // moved files replace those in the same places
      (now.length === then.length ? then[i] : undefined);
    if (earlier === undefined) return change(name, 'the file was added after the run was trained');
    matched.add(earlier);
    const more = { expected: `SHA-256 ${earlier.sha256}`, got: sha256 };
    const starts = recordedStarts([earlier]);
    const isNew = (splitFile: SplitFile) =>
      splitFile.folder === name && !starts.has(startOf(splitFile.sha256));
    const other = sha256 === earlier.sha256 ? undefined : digests.find(isNew);
    if (other) return change(other.name, 'the recording was added or changed after the run was trained');
    if (sha256 !== earlier.sha256) return change(name, `the data ${INPUT_CHANGED}`, more);
    if (split === earlier.split) return [];
    return change(name, `the file was in the ${earlier.split} split when the run was trained`, {
      got: split,
    });
  });
  const gone = then.filter(file => !matched.has(file));
  for (const { name } of gone)
    found.push(change(name, 'the run was trained with this file, which is missing now'));
  if (found.length > 0) throw damagedErrors(found);
  const first = Math.max(
    0,
    now.findIndex(({ sha256 }, i) => sha256 !== then[i]?.sha256),
  );
  const message = 'the data files are in a different order than when the run was trained';
  throw damagedErrors([change(now[first].name, message, { expected: then[first].name })]);
}

/** The first lines of the output name the commit, the others the files that differ from it. */
const STATUS = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
const MAX_STATUS = 2 ** 26;

/** Null if there is no repository, it has no commit, or git is not installed. */
export async function gitState(folder: string): Promise<GitState | null> {
  // starting git takes longer than a short run
  if (!isInRepository(resolve(folder))) return null;
  try {
    const { stdout } = await execute(
      'git',
      // a repository's own settings can name programs for git to start
      ['-C', folder, '-c', 'core.fsmonitor=false', '--no-optional-locks', ...STATUS],
      { timeout: 10_000, maxBuffer: MAX_STATUS },
    );
    const [, revision] = /^# branch\.oid ([0-9a-f]+)$/m.exec(stdout) ?? [];
    return revision === undefined ? null : { revision, dirty: /^[^#]/m.test(stdout) };
  } catch {
    return null;
  }
}

function isInRepository(folder: string): boolean {
  const parent = dirname(folder);
  return fs.existsSync(join(folder, '.git')) || (parent !== folder && isInRepository(parent));
}
