/**
 * An exported module as services and pages show it: what one must know of the model, and its
 * predictions as lines. The build also bundles this file for reports, so nothing that it imports
 * may need Node.
 */
import { jsonLine, type PredictionStyle } from '../../predict/lines.js';
import type { SequenceValues } from '../../predict/steps.js';
import type { ExportedModel, OpenedModule } from './runtime.js';

export type Module = OpenedModule;
export type ModelFacts = ReturnType<typeof factsOf>;

/** What a client must know of a model. */
export function factsOf({ model, session }: Module) {
  const { data, form, readers, series } = model;
  const { input, vocabulary } = data;
  return {
    input: input.kind === 'number' ? 'numbers' : vocabulary ? 'text' : 'symbols',
    columns: series?.columns ?? readers?.columns.map(({ name }) => name),
    level: vocabulary?.level,
    max_steps: model.maxSteps,
    prediction: form.kind,
    per_step: form.perStep,
    channel: model.channel,
    rate: data.sample_rate,
    class_names: form.classNames,
    target_names: form.targetNames,
    sessions: isPossible(session),
    generates: input.kind === 'symbol' && vocabulary !== undefined && form.size === input.count,
  };
}

function isPossible(begin: ExportedModel['session']): boolean {
  try {
    begin();
    return true;
  } catch {
    return false;
  }
}

/**
 * The line of a prediction, with warnings as sentences.
 * @throws Error with `diagnostics` if the sequence does not fit the model
 */
export async function predictedLine(
  { model, predict }: Module,
  sequence: SequenceValues,
  index = 0,
): Promise<string> {
  const { warnings, ...prediction } = await predict(sequence);
  const told = warnings && { warnings: warnings.map(({ message }) => message) };
  return jsonLine(styleOf(model), { ...prediction, index }, told);
}

export function styleOf({ form }: Module['model']): PredictionStyle {
  return { ...form, hasIds: false, hasTimes: false };
}
