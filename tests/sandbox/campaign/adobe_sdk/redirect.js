// Preloaded: the SDK knows one host; connections to it end at the sandbox. The certificate is verified for that host.
// (The SDK's own HTTPS_PROXY support does not cover triggerSignalActivity, which passes a Request instead of a URL.)
'use strict'

const tls = require('tls')

const HOST = 'mc.adobe.io'
const { connect } = tls

tls.connect = function (options, ...rest) {
  if (options.host !== HOST) throw new Error(`unexpected connection to ${options.host}`)
  const here = { ...options, host: '127.0.0.1', port: Number(process.env.CAMPAIGN_PORT), servername: HOST }
  return connect.call(tls, here, ...rest)
}
