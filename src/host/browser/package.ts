/** The files of the package that the program reads, as part of its script. */

import { version } from '../../../package.json';
import baseline from '../../../schemas/baseline.schema.json';
import checkpoints from '../../../schemas/checkpoints.schema.json';
import evaluation from '../../../schemas/evaluation.schema.json';
import experiment from '../../../schemas/experiment.schema.json';
import manifest from '../../../schemas/manifest.schema.json';
import notes from '../../../schemas/notes.schema.json';
import summary from '../../../schemas/summary.schema.json';
import { addFile } from './files.js';

const schemas = { baseline, checkpoints, evaluation, experiment, manifest, notes, summary };
const encode = (value: object) => new TextEncoder().encode(JSON.stringify(value));

addFile('/cellrun/package.json', encode({ version }));
for (const [name, schema] of Object.entries(schemas))
  addFile(`/cellrun/schemas/${name}.schema.json`, encode(schema));
