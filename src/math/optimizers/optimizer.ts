/**
 * Interface of optimizers: named state and one update written with ops. What changes from step to
 * step is a scalar argument of the kernels.
 */
import * as s from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import { pattern, patterns } from '../model/settings.js';
import { scheduleConfig } from '../schedules/index.js';

export interface Optimizer<Settings> {
  /** Names of the buffers for each parameter, as in PyTorch; all start at zero. */
  state(settings: Settings): readonly string[];
  /** At `step`, from 1; in float64. */
  scalars(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  update(settings: Settings, values: UpdateInputs): { readonly parameter: Node; readonly state: Nodes };
}

type Nodes = Readonly<Record<string, Node>>;

/** Factors of the elements of parameters, each absent if it is 1 for all. */
export interface ElementFactors<Values> {
  /** Of weight decay: 1 for elements that decay, else 0. */
  readonly decayed?: Values;
  /** Their learning rate over that of the optimizer. */
  readonly rates?: Values;
}

/** All nodes have the same shape; `scalars` are broadcast to it. */
export interface UpdateInputs extends ElementFactors<Node> {
  readonly parameter: Node;
  readonly gradient: Node;
  readonly state: Nodes;
  readonly scalars: Nodes;
}

/** Values that the parts of one update pass on. */
interface Motion {
  readonly parameter: Node;
  /** The gradient, including coupled weight decay. */
  readonly gradient: Node;
  /** Will be subtracted from the parameter; starts as the gradient. */
  readonly direction: Node;
}

export interface Change extends Partial<Motion> {
  readonly state?: Nodes;
}

/** A part of an optimizer; changes some results of the parts before it. */
export interface Part<Settings> {
  /** Names of its buffers. Default: none. */
  state?(settings: Settings): readonly string[];
  /** Parts with the same scalar name share the value. */
  scalars?(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  apply(settings: Settings, motion: Motion, values: Omit<UpdateInputs, 'parameter' | 'gradient'>): Change;
}

/** Of an option that adds a buffer. */
export const BUFFER = {
  resume: ({ to }) => (to === true ? { never: 'its checkpoints have no state for it' } : undefined),
} as const satisfies Partial<s.KeyFacts>;

const learningRate = s.number({
  name: 'learning_rate',
  description: 'Learning rate.',
  above: 0,
  max: 1000,
  examples: [0.01],
  aliases: ['lr', 'rate', 'alpha', 'eta', 'step_size'],
  required: true,
});

export const weightDecay = s.number({
  name: 'weight_decay',
  description: 'L2 penalty, added to the gradient as in PyTorch.',
  min: 0,
  max: 1000,
  default: 0,
  examples: [0.0001],
  aliases: ['l2', 'decay'],
});

export const decoupledWeightDecay = s.number({
  name: 'decoupled_weight_decay',
  description:
    'Decoupled weight decay: each update also subtracts this fraction of a weight, times the learning rate. It is not part of the gradient.',
  min: 0,
  max: 1000,
  default: 0.01,
  aliases: ['l2', 'decay'],
});

const weightDecayOn = s.choice(['all', 'weights'], {
  name: 'weight_decay_on',
  description:
    'Parameters that weight decay applies to: all of them, or only weights, which excludes biases and the gains of layer normalization.',
  default: 'all',
  examples: ['weights'],
  aliases: [
    'decay_on',
    'decay_biases',
    'decay_bias',
    'no_decay',
    'exclude_bias',
    'exclude_biases',
    'exclude_bias_and_norm',
    'exclude_from_weight_decay',
    'weight_decay_exclude',
  ],
});

const parameterGroups = s.list(
  s.section(
    {
      parameters: s.list(pattern, {
        description: 'Names of parameters; `*` matches any text.',
        examples: [['fc.*']],
        required: true,
        ...patterns,
      }),
      learning_rate: s.number({
        description: 'Their learning rate. A schedule changes all learning rates by the same factor.',
        above: 0,
        max: 1000,
        examples: [0.001],
        required: true,
      }),
    },
    { description: 'Parameters with a learning rate of their own.' },
  ),
  {
    name: 'parameter_groups',
    description:
      'Parameters with another learning rate than `learning_rate`, as by groups of parameters in PyTorch. A parameter belongs to the first group that names it.',
    minItems: 1,
    maxItems: 64,
    examples: [[{ parameters: ['lstm.*'], learning_rate: 0.0001 }]],
    aliases: ['param_groups', 'groups', 'learning_rates', 'layer_learning_rates'],
    resume: { unsafe: 'the learning rates of these parameters change' },
  },
);

export const momentum = s.number({
  name: 'momentum',
  description: 'Momentum factor.',
  min: 0,
  below: 1,
  default: 0,
  examples: [0.9],
  resume: ({ from, to }) =>
    from === 0 && to !== null ? { never: 'its checkpoints have no momentum' } : undefined,
});

export const betas = s.list(s.number({ min: 0, below: 1 }), {
  name: 'betas',
  description: 'Decay rates of the running averages of the gradient and of its square.',
  minItems: 2,
  maxItems: 2,
  default: [0.9, 0.999],
  examples: [[0.9, 0.999]],
  aliases: ['beta', 'beta1', 'beta2', 'beta_1', 'beta_2'],
});

export const eps = s.number({
  name: 'eps',
  description: 'Added to the denominator for numerical stability.',
  above: 0,
  max: 1,
  default: 1e-8,
  aliases: ['epsilon'],
});

export const amsgrad = s.boolean({
  name: 'amsgrad',
  description:
    'Whether to divide by the maximum of all running averages of the squared gradient so far (Reddi et al., 2018).',
  default: false,
  examples: [true],
  aliases: ['ams_grad'],
  ...BUFFER,
});

interface OptimizerKind<Kind extends string, P extends s.Fields> extends s.Variant<Kind, P> {
  /** What it follows, as Markdown, for the reference. */
  readonly reference: string;
  /** Applied one after the other. */
  readonly parts: readonly Part<NoInfer<s.Mapping<P>>>[];
}

/** The optimizer and the keys of its config. */
export const optimizer = <const Kind extends string, P extends s.Fields>({
  kind,
  keys,
  parts,
  reference,
  ...about
}: OptimizerKind<Kind, P>) => ({
  reference,
  settings: s.section(
    {
      kind: s.tag(kind, {
        description: about.description,
        resume: { never: 'its checkpoints have no state for another optimizer' },
      }),
      learning_rate: learningRate,
      schedule: scheduleConfig,
      ...keys,
      weight_decay_on: weightDecayOn,
      parameter_groups: parameterGroups,
    },
    about,
  ),

  state: (settings: s.Mapping<P>) => parts.flatMap(part => part.state?.(settings) ?? []),

  scalars: (settings: s.Mapping<P>, step: number, learningRate: number): Record<string, number> =>
    Object.assign({}, ...parts.map(part => part.scalars?.(settings, step, learningRate))),

  update(settings: s.Mapping<P>, { parameter, gradient, ...values }: UpdateInputs) {
    let motion: Motion = { parameter, gradient, direction: gradient };
    const state: Record<string, Node> = {};
    for (const part of parts) {
      const { state: updated, ...changed } = part.apply(settings, motion, values);
      motion = { ...motion, ...changed };
      Object.assign(state, updated);
    }
    return { parameter: motion.parameter, state };
  },
});
