// An in-memory did:plc directory and a reference PDS in one process, both on 127.0.0.1, with no account yet.
// Run in the folder that holds node_modules. Environment: PDS_PORT, PLC_PORT, PDS_DATA (an empty folder),
// PDS_RATE_LIMITS=1 for the reference limits. Prints one JSON line {"url","plcUrl","pid"}; ends on SIGTERM or when
// its standard input ends, which is when whoever started it is gone.
import crypto from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'

const installed = createRequire(path.join(process.cwd(), 'here.js'))
const LOOPBACK = '127.0.0.1'
const { PDS_PORT, PLC_PORT, PDS_DATA, PDS_RATE_LIMITS } = process.env
process.env.LOG_ENABLED ??= 'false' // read by @atproto/common when it is loaded

listenOnLoopbackOnly()
const directory = await startDirectory(Number(PLC_PORT))
const pds = await startPds(Number(PDS_PORT), PDS_DATA, `http://${LOOPBACK}:${PLC_PORT}`)
for (const end of ['SIGTERM', 'SIGINT']) process.once(end, stop)
process.stdin.once('end', stop).resume()
console.log(JSON.stringify({ url: `http://${LOOPBACK}:${PDS_PORT}`, plcUrl: `http://${LOOPBACK}:${PLC_PORT}`, pid: process.pid }))

async function startDirectory(port) {
  const { Database, PlcServer } = installed('@did-plc/server')
  const server = PlcServer.create({ db: Database.mock(), port })
  await server.start()
  return server
}

async function startPds(port, data, didPlcUrl) {
  const { PDS, envToCfg, envToSecrets } = installed('@atproto/pds')
  const blobs = path.join(data, 'blobs')
  fs.mkdirSync(blobs, { recursive: true })
  const env = {
    port,
    hostname: 'localhost',
    devMode: true, // plain http
    disableSsrfProtection: true, // the directory is on loopback
    dataDirectory: data,
    blobstoreDiskLocation: blobs,
    blobstoreDiskTmpLocation: path.join(data, 'unfinished-blobs'),
    didPlcUrl,
    serviceHandleDomains: ['.test'],
    inviteRequired: false,
    enableDidDocWithSession: true, // as the public network's own servers do
    rateLimitsEnabled: PDS_RATE_LIMITS === '1',
    jwtSecret: secret(),
    dpopSecret: secret(),
    adminPassword: secret(),
    plcRotationKeyK256PrivateKeyHex: secret(),
    // Nothing of the public network is asked: no relay, no resolver, and an AppView (one must be named) nobody runs.
    crawlers: [],
    handleBackupNameservers: [],
    rateLimitBypassIps: [],
    trustedOAuthClients: [],
    bskyAppViewUrl: `http://${LOOPBACK}:9`,
    bskyAppViewDid: 'did:web:localhost',
  }
  const server = await PDS.create(envToCfg(env), envToSecrets(env))
  await server.start()
  return server
}

// Neither server can be told an address to listen on.
function listenOnLoopbackOnly() {
  const listen = net.Server.prototype.listen
  net.Server.prototype.listen = function (port, ...rest) {
    if (typeof port === 'number') return listen.call(this, { port, host: LOOPBACK }, ...rest)
    return listen.call(this, typeof port === 'object' ? { ...port, host: LOOPBACK } : port, ...rest)
  }
}

function secret() {
  return crypto.randomBytes(32).toString('hex')
}

async function stop() {
  try {
    await pds.destroy()
    await directory.destroy()
  } finally {
    process.exit(0)
  }
}
