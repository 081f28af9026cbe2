/**
 * Checks that the files of a completed run agree with each other: summary, log, evaluation,
 * checkpoints and their index. Missing files are no contradiction, since a run may be kept without
 * its weights.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { isRecord } from '../../config/schema/walk.js';
import {
  indexPath,
  listCheckpoints,
  indexedCheckpoints as listedInIndex,
  readIndex,
} from '../../run/checkpoint-files.js';
import { isAbsent } from '../../run/files.js';
import {
  CheckpointProof,
  FOREIGN,
  foreignStepHash,
  otherMetric,
  ownStepHashes,
  type SavedCheckpoint,
} from '../../run/identity.js';
import type { JsonObject } from '../../run/json.js';
import type { LogRecord } from '../../run/log.js';
import type { RunRecord } from '../../run/record.js';
import { savedCheckpoints } from '../../run/saved-checkpoints.js';
import type { Summary } from '../../run/summary.js';
import { UserError } from '../../util/errors.js';

const PIECE = 1 << 16;

/** Collects the log line by line, then checks the files. */
export class FileProof {
  private readonly hash = createHash('sha256');
  private lines = 0;
  private pending = '';
  /** Digest of the log's first lines, as many as the summary covers. */
  private sha256: string | undefined;
  private readonly checkpoints: readonly SavedCheckpoint[];
  private readonly damage: string | undefined;
  private readonly proof: CheckpointProof;
  /** Digest of the summary in the last `run.end`. */
  private summary: unknown;
  private isResumed = false;

  constructor(private readonly record: RunRecord) {
    const { checkpoints, damage } = readable(record);
    this.checkpoints = checkpoints;
    this.damage = damage;
    this.proof = new CheckpointProof(checkpoints);
  }

  /** @param text a complete line without its line end; undefined if it was too long to keep */
  addLine(text: string | undefined): void {
    const { digests } = this.record.summary ?? {};
    if (!digests?.log || this.sha256 !== undefined) return;
    if (this.lines === digests.log.records) {
      this.hash.update(this.pending);
      this.sha256 = this.hash.digest('hex');
      return;
    }
    this.lines += 1;
    // hashing single lines would double the time of a review
    this.pending += `${text}\n`;
    if (this.pending.length < PIECE) return;
    this.hash.update(this.pending);
    this.pending = '';
  }

  addEvent(record: LogRecord): void {
    this.proof.add(record);
    this.isResumed ||= record.event === 'run.resume';
    if (record.event === 'run.end') this.summary = record.summary_sha256;
  }

  /** The first contradiction; undefined if there is none. */
  doubt(summary: Summary): string | undefined {
    return (
      this.damage ??
      this.foreign() ??
      this.editedLog(summary) ??
      this.editedFile(summary) ??
      this.otherManifest(summary) ??
      this.otherEvaluation(summary) ??
      this.otherCheckpoints(summary) ??
      this.otherIndex(summary) ??
      // last, since the others say what differs
      this.editedSummary()
    );
  }

  private foreign(): string | undefined {
    const { manifest } = this.record;
    const own = manifest && ownStepHashes(manifest);
    const found = this.checkpoints.find(one => foreignStepHash(one, own) !== undefined);
    return (
      found &&
      `its checkpoint ${basename(found.path)} is from another run with a different config, seed or data`
    );
  }

  private editedLog({ digests }: Summary): string | undefined {
    // older versions write neither digests nor step hashes
    if (digests === undefined)
      return this.record.manifest?.step_hash === undefined
        ? undefined
        : 'its summary lacks the digest of its log';
    if (digests.log === null || digests.log.sha256 === this.sha256) return undefined;
    return 'its log does not match the digest in its summary: a line was edited, added or removed';
  }

  private editedFile({ digests }: Summary): string | undefined {
    const { directory } = this.record;
    for (const [name, file] of [
      ['resolvedConfig', digests?.config],
      ['manifest', digests?.manifest],
    ] as const) {
      if (file !== undefined && file !== directory.digestOf(name))
        return `${directory.nameOf(directory.files[name])} does not match the digest in its summary`;
    }
    return undefined;
  }

  private editedSummary(): string | undefined {
    // older versions do not log it
    if (this.summary === undefined || this.summary === this.record.directory.digestOf('summary'))
      return undefined;
    return 'its summary does not match the digest in its log';
  }

  private otherManifest(summary: Summary): string | undefined {
    const { manifest, directory, config } = this.record;
    if (manifest === undefined) return undefined;
    const { run_id, seeds, config_hash, parameters, backend } = manifest;
    // the manifest has what the run started on, the summary what it ended on
    const { name, executor } = this.isResumed
      ? { name: summary.backend, executor: summary.executor }
      : backend;
    const facts = [
      // older versions recorded the new name of a renamed run on resume
      ['run_id', run_id, summary.run_id === directory.id ? run_id : summary.run_id],
      ['seed', seeds.experiment, summary.seed],
      ['config_hash', config_hash, summary.config_hash],
      ['parameters', parameters, summary.parameters],
      ['backend', name, summary.backend],
      ['executor', executor, summary.executor],
    ] as const;
    for (const [name, value, told] of facts)
      if (told !== value) return `${name} is ${told} in its summary and ${value} in its manifest`;
    if (typeof config.name === 'string' && config.name !== summary.name)
      return `name is ${summary.name} in its summary and ${config.name} in its config`;
    return undefined;
  }

  private otherEvaluation(summary: Summary): string | undefined {
    const { directory } = this.record;
    const evaluation = directory.readEvaluation();
    if (evaluation === undefined) return undefined;
    const { split, step } = evaluation;
    const values = evaluation as unknown as JsonObject;
    for (const [name, value] of Object.entries(summary.metrics[split] ?? {})) {
      const found = values[name];
      if (typeof found === 'number' && !Object.is(found, value))
        return `${split}.${name} is ${value} in its summary and ${found} in evaluation.json`;
    }
    const end = summary.restored?.step ?? summary.steps;
    if (split === 'test' && step !== end)
      return `evaluation.json is from step ${step}, but the run ended at step ${end}`;
    const { digests } = summary;
    if (digests && digests.evaluation !== null && digests.evaluation !== directory.digestOf('evaluation'))
      return 'evaluation.json does not match the digest in its summary';
    return undefined;
  }

  private otherCheckpoints(summary: Summary): string | undefined {
    const { checkpoints, record } = this;
    const last = checkpoints.at(-1);
    if (last === undefined) return undefined;
    if (last.step !== summary.steps)
      return `it ended after step ${summary.steps} and its last checkpoint is from step ${last.step}`;
    const told = savedCheckpoints(record.directory, checkpoints);
    for (const key of ['best', 'checkpoints'] as const)
      if (!isEqual(told[key], summary[key]))
        return `${key} is ${JSON.stringify(summary[key])} in its summary and ${JSON.stringify(told[key])} in its checkpoints`;
    const end = checkpoints.find(({ step }) => step === (summary.restored?.step ?? summary.steps));
    // a checkpoint taken over from another run has values of another metric
    if (record.manifest?.changes?.some(({ key }) => key === FOREIGN)) return undefined;
    return (end && otherMetric(end, summary)) ?? this.otherThanLog();
  }

  private otherThanLog(): string | undefined {
    const [found] = this.proof.contradictions();
    return found && `its checkpoint ${basename(found.path)} contradicts its log: ${found.message}`;
  }

  /** An entry whose file is gone is no contradiction: checkpoints may be removed to save space. */
  private otherIndex({ checkpoints: { last, best } }: Summary): string | undefined {
    const { directory, config } = this.record;
    const folder = directory.files.checkpoints;
    if (isAbsent(indexPath(folder))) return undefined;
    const index = readIndex(folder);
    if (index === undefined) return 'its checkpoint index is not valid';
    const listed = new Map(listedInIndex(folder).map(one => [one.file, one]));
    for (const { path, step, epoch, metric } of this.checkpoints) {
      const name = basename(path);
      const one = listed.get(name);
      if (one === undefined) return `its checkpoint index lacks ${name}`;
      if (one.step !== step || one.epoch !== epoch || one.value !== metric.value)
        return `its checkpoint index contradicts ${name}`;
    }
    const { metric, mode } = isRecord(config.checkpoint) ? config.checkpoint : {};
    const facts = [
      ['last', index.last, last && basename(last)],
      ['best', index.best, best && basename(best)],
      ['metric', index.metric, metric ?? index.metric],
      ['mode', index.mode, mode ?? index.mode],
    ] as const;
    const other = facts.find(([, found, expected]) => found !== expected);
    return other && `${other[0]} is ${other[1]} in its checkpoint index, but should be ${other[2]}`;
  }
}

function readable({ directory, state }: RunRecord): {
  readonly checkpoints: readonly SavedCheckpoint[];
  readonly damage: string | undefined;
} {
  // files of an unfinished run still change
  if (state !== 'completed') return { checkpoints: [], damage: undefined };
  try {
    return { checkpoints: listCheckpoints(directory.files.checkpoints), damage: undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ file = '', message }] = error.diagnostics;
    return { checkpoints: [], damage: `its checkpoint ${basename(file)} cannot be read: ${message}` };
  }
}

function isEqual(a: object | null, b: object | null): boolean {
  const sorted = (value: object | null) => JSON.stringify(value && Object.entries(value).sort());
  return sorted(a) === sorted(b);
}
