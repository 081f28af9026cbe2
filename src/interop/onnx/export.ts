/** A trained model as an ONNX file. */
import { usageError } from '../../util/errors.js';
import type { PredictorFormat, Source } from '../predictor.js';
import { verify } from '../verify.js';
import { stateInputs, writeModel } from './model.js';
import { startOnnx } from './runtime.js';
import { encodeModel } from './writer.js';

const FILE = 'model.onnx';

export const onnx: PredictorFormat = {
  files(source) {
    refuse(source);
    const { saved, model, facts } = source;
    const { experiment } = model;
    const content = encodeModel({
      graph: writeModel(source),
      producerVersion: saved.manifest?.versions.cellrun ?? '',
      description: experiment.description ?? experiment.name,
      metadata: Object.fromEntries(
        Object.entries(facts).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]],
        ),
      ),
    });
    return new Map([[FILE, [content]]]);
  },
  verify: (files, source) =>
    verify(source, () => startOnnx(Buffer.concat(files.get(FILE) ?? []), stateInputs(source.spec))),
};

/** Inputs and outputs that a graph of tensors cannot compute. */
function refuse({ saved: { path }, model: { experiment }, spec }: Source): void {
  const reasons: Readonly<Record<string, string>> = {
    forecast: 'the windows of a forecast are cut and scaled outside of the model',
    audio: 'features of recordings are computed outside of the model',
  };
  const reason = spec.decoder
    ? 'a decoder writes its output symbol by symbol'
    : reasons[experiment.dataset.kind];
  if (reason === undefined) return;
  throw usageError('export/onnx', `this model cannot be exported as one ONNX graph: ${reason}`, {
    file: path,
    expected: '`--format safetensors`, which has the weights',
  });
}
