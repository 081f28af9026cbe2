import type { ModelConfig } from '../../src/config/index.js';
import { describeModel, type ModelContext, type ModelSpec } from '../../src/math/model/spec.js';

/** A `model` section without the defaults of the schema. */
export interface ShortModel {
  readonly cell?: string;
  readonly layers?: readonly object[];
  readonly head?: { readonly from?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

const CELL_DEFAULTS: Readonly<Record<string, object>> = {
  lstm: { layer_norm: false },
  rnn: { nonlinearity: 'tanh' },
};

const layer = (given: object & { cell?: string }) => ({
  bidirectional: false,
  ...CELL_DEFAULTS[given.cell ?? ''],
  ...given,
});

export function fullModel({ head, layers, decoder, ...rest }: ShortModel): ModelConfig {
  const recurrent = layers ? { layers: layers.map(layer), ...rest } : { num_layers: 1, ...layer(rest) };
  return {
    dropout: 0,
    ...recurrent,
    ...(decoder !== undefined && { decoder: { num_layers: 1, dropout: 0, ...(decoder as object) } }),
    head: { from: 'last', hidden_sizes: [], activation: 'relu', dropout: 0, ...head },
  } as unknown as ModelConfig;
}

/** A model of numbers with `outputSize` outputs; carries no states unless `context` sets it. */
export function modelOf(
  model: ShortModel,
  { inputSize = 1, ...context }: Partial<ModelContext> & { inputSize?: number; outputSize: number },
): ModelSpec {
  return describeModel(fullModel(model), {
    input: { kind: 'number', size: inputSize },
    carriesState: false,
    ...context,
  });
}
