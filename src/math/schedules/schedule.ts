/** Schedules: the learning rate as a function of progress, without a state to resume. */
import * as s from '../../util/schema.js';

/** A value of the metric that a schedule monitors. */
export interface Observation {
  /** Number of updates before it was measured. */
  readonly update: number;
  readonly value: number;
}

/** Progress of training after the warm-up, whose updates are not counted. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly updatesPerEpoch: number;
  /** Values measured before this update, in order. */
  observations(): readonly Observation[];
}

export interface Schedule<Settings> {
  rate(base: number, settings: Settings, progress: Progress): number;
}

/** A number of updates, set as `steps` or in epochs; exactly one of them is set. */
export interface UpdatesOrEpochs {
  readonly steps?: number;
  readonly epochs?: number;
}

export function updatesIn(
  { steps, epochs = 0 }: UpdatesOrEpochs,
  { updatesPerEpoch }: Pick<Progress, 'updatesPerEpoch'>,
): number {
  return steps ?? epochs * updatesPerEpoch;
}

/** Interpolates from `start` to `end` along half a cosine while `fraction` rises from 0 to 1. */
export function alongCosine(start: number, end: number, fraction: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * fraction))) / 2;
}

interface ScheduleKind<Kind extends string, P extends s.Fields>
  extends s.Variant<Kind, P>,
    Schedule<s.Mapping<P>> {
  /** The learning rate as Markdown, for the reference. */
  readonly formula: string;
  /** Its class in torch.optim.lr_scheduler, as Markdown. */
  readonly pytorch: string;
  /** True if the rate of an update depends on the planned number of updates; absent: never. */
  dependsOnLength?(settings: s.Mapping<P>): boolean;
}

export const schedule = <const Kind extends string, P extends s.Fields>(kind: ScheduleKind<Kind, P>) => ({
  ...kind,
  settings: s.variant(kind),
});

const scheduleSteps = s.integer({
  name: 'schedule_steps',
  description: 'Number of optimizer updates.',
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
  examples: [1000],
  aliases: ['updates', 'iterations', 'batches', 'step'],
});

const scheduleEpochs = s.integer({
  name: 'schedule_epochs',
  description: 'Number of epochs.',
  min: 1,
  max: 1e6,
  examples: [10],
  aliases: ['epoch'],
});

interface LengthAbout {
  readonly description: string;
  readonly examples: readonly UpdatesOrEpochs[];
  readonly aliases: readonly string[];
}

/** A length in updates or in epochs. */
export const updatesOrEpochs = (name: string, about: LengthAbout) =>
  s.section({ steps: scheduleSteps, epochs: scheduleEpochs }, { name, ...about, minKeys: 1, maxKeys: 1 });

export const minLearningRate = s.number({
  name: 'min_learning_rate',
  description: 'Lower bound of the learning rate.',
  min: 0,
  max: 1000,
  default: 0,
  examples: [0.0001],
  aliases: ['min_lr', 'eta_min', 'lr_min'],
});

export const warmup = s.section(
  {
    steps: scheduleSteps,
    epochs: scheduleEpochs,
    start_factor: s.number({
      description: 'Factor of the learning rate at the first update.',
      min: 0,
      max: 1,
      default: 0.1,
      aliases: ['start', 'init_factor', 'warmup_factor'],
    }),
  },
  {
    name: 'warmup',
    description:
      'Warm-up: the learning rate grows linearly from `start_factor` times its value over N updates or N epochs. The schedule starts after it.',
    examples: [{ epochs: 1, start_factor: 0.01 }, { steps: 500 }],
    aliases: ['warm_up', 'warmup_steps', 'warmup_epochs'],
  },
);
