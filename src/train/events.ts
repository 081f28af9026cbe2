/** Writes the events of a run to its log. */
import { inputWidth } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { EventLog } from '../run/event-log.js';
import type { EventFields, EventName, RunEvent } from '../run/events.js';
import { versions } from '../run/manifest.js';
import { stepCosts } from './profile.js';
import type { RunContext } from './train.js';

export class RunEvents {
  private constructor(
    readonly log: EventLog,
    private readonly run: RunContext,
  ) {}

  /** Opens the log of the run, which has `seq` events, for appending. */
  static open(run: RunContext, seq = 0): RunEvents {
    return new RunEvents(EventLog.open(run.directory.files.log, { seq }), run);
  }

  emit(event: RunEvent): void {
    this.log.emit(event);
  }

  /** Logs a warning and shows it to the user. */
  warn(code: string, message: string, place?: Omit<EventFields['warning'], 'code' | 'message'>): void {
    this.log.emit({ event: 'warning', code, message, ...place });
    this.run.observer.warning(message);
  }

  /** Logs what is known before training, except the events `kept` that the log already has. */
  begin(dataSeconds: number, kept: ReadonlySet<EventName> = new Set()): void {
    const { loaded, session, runId } = this.run;
    const { experiment, hash } = loaded;
    const { choice, spec, dataset } = session;
    const { train, validation, test, input, sequenceLength } = dataset;
    if (!kept.has('run.start'))
      this.log.emit({
        event: 'run.start',
        run_id: runId,
        name: experiment.name,
        seed: experiment.seed,
        config_hash: hash,
        version: versions().cellrun,
      });
    if (!kept.has('data.ready'))
      this.log.emit({
        event: 'data.ready',
        train_count: train.count,
        ...(validation && { validation_count: validation.count }),
        test_count: test.count,
        input_size: inputWidth(input),
        sequence_length: sequenceLength,
        num_classes: train.targets.kind === 'class' ? spec.outputSize : null,
        duration_s: dataSeconds,
      });
    if (kept.has('graph.compiled')) return;
    const began = performance.now();
    const costs = stepCosts(session.run, experiment.training.batch_size);
    this.log.emit({
      event: 'graph.compiled',
      backend: choice.backend,
      backend_reason: choice.reason,
      executor: EXECUTORS[choice.backend],
      parameters: new ParameterLayout(spec).size,
      nodes: costs.nodes,
      kernels_per_step: costs.kernels,
      flops_per_step: costs.flops,
      bytes: costs.bytes,
      duration_s: (performance.now() - began) / 1000,
    });
  }
}
