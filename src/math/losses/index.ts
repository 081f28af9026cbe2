import { Recent } from '../../util/recent.js';
import { settingsOf, type TypeOf } from '../../util/schema.js';
import type { Task } from '../metrics/metric.js';
import { binaryCrossEntropy } from './binary_cross_entropy.js';
import { crossEntropy } from './cross_entropy.js';
import { ctc } from './ctc.js';
import { huber } from './huber.js';
import type { Loss, LossKind, MadeFrom } from './loss.js';
import { mae } from './mae.js';
import { mse } from './mse.js';
import { quantile } from './quantile.js';

export const losses = {
  cross_entropy: crossEntropy,
  binary_cross_entropy: binaryCrossEntropy,
  mse,
  mae,
  huber,
  quantile,
  ctc,
};

export const lossConfig = settingsOf('loss', 'kind', losses, {
  description: 'The loss to minimize, by kind.',
  required: true,
  examples: [{ kind: 'cross_entropy' }],
  aliases: ['criterion', 'objective'],
  effects: ['numerics'],
  resume: { never: 'its model was built for this loss' },
});

export type LossConfig = TypeOf<typeof lossConfig>;

/** The loss of a model with a decoder, of the symbols of a target and the boundary after them. */
interface OfSymbols {
  readonly ofSymbols?: true;
}

export type LossSettings = {
  [K in LossConfig['kind']]: MadeFrom<Extract<LossConfig, { kind: K }>>;
}[LossConfig['kind']] &
  OfSymbols;

/** `loss` for `model`. */
export function lossFor<L extends object>(
  loss: L,
  model: { readonly decoder?: unknown } | undefined,
): L & OfSymbols {
  return model?.decoder === undefined ? loss : { ...loss, ofSymbols: true };
}

export function lossKind({ kind }: { readonly kind: LossConfig['kind'] }): LossKind {
  return losses[kind] as LossKind;
}

export function taskOf(loss: { readonly kind: LossConfig['kind'] } & OfSymbols): Task {
  return loss.ofSymbols ? 'sequences' : lossKind(loss).task;
}

const made = new Recent<Loss>(20);

/** The same object for equal settings, so that compiled programs are shared. */
export function lossOf(settings: LossSettings): Loss {
  return made.get(JSON.stringify(settings), () => {
    const loss = lossKind(settings).make(settings);
    return settings.ofSymbols ? ({ ...loss, target: 'sequence' } as Loss) : loss;
  });
}

/** The sizes of a loss depend on these keys alone. */
type Sized = Pick<LossSettings, 'kind'>;

/** Size of a target (its classes or numbers) for the given number of outputs. */
export function targetSize(loss: Sized, outputSize: number): number {
  return outputSize / outputsPerNumber(loss);
}

/** Outputs for each number of a target: one per quantile. */
export function outputsPerNumber(loss: Sized): number {
  return lossKind(loss).outputs?.(loss) ?? 1;
}
