//! The reading half of a connection to a keeper.
//!
//! Never waits for more than the next frame: what lies ready behind output is taken with it, no more.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;

use super::connection::ProtocolError;
use super::wire::MAX_KEEPER_BODY;
use super::wire::frame::KeeperFrame;
use super::wire::stream::Decoder;

/// Bytes that are read at a time.
const BUFFER: usize = 32 * 1024;
/// Output that has come already is taken as one frame up to so many bytes: a commit for each of the
/// keeper's small ones would cost more than their bytes.
const GATHERED: usize = 128 * 1024;

/// Frames from the keeper. Keep a [`super::Writer`] as long as this is read: the keeper takes
/// the end of one direction for the end of both.
#[derive(Debug)]
pub struct Reader {
    half: OwnedReadHalf,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What came behind output that was gathered.
    held: Option<Result<Option<KeeperFrame>, ProtocolError>>,
}

impl Reader {
    /// The reading half of a connection.
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        Self {
            half,
            decoder: Decoder::new(MAX_KEEPER_BODY),
            buffer: vec![0; BUFFER],
            held: None,
        }
    }

    /// The next frame; `None` when the keeper has closed. Output that lies ready comes as one frame.
    /// Cancel-safe: no byte is lost when the future is dropped. Kinds of a newer keeper are skipped.
    pub async fn next(&mut self) -> Result<Option<KeeperFrame>, ProtocolError> {
        if let Some(held) = self.held.take() {
            return held.map(|frame| self.gathered(frame));
        }
        loop {
            if let Some(frame) = self.decoded()? {
                return Ok(self.gathered(Some(frame)));
            }
            let read = self.half.read(&mut self.buffer).await;
            if !self.fed(read)? {
                return Ok(None);
            }
        }
    }

    /// Output with what follows it at once and lies ready; any other frame as it is.
    fn gathered(&mut self, frame: Option<KeeperFrame>) -> Option<KeeperFrame> {
        let Some(KeeperFrame::Data { offset, mut bytes }) = frame else {
            return frame;
        };
        while bytes.len() < GATHERED {
            let end = u64::try_from(bytes.len()).map_or(u64::MAX, |len| offset.saturating_add(len));
            match self.ready() {
                Some(Ok(Some(KeeperFrame::Data {
                    offset,
                    bytes: more,
                }))) if offset == end => {
                    bytes.extend_from_slice(&more);
                }
                other => {
                    self.held = other;
                    break;
                }
            }
        }
        Some(KeeperFrame::Data { offset, bytes })
    }

    /// What [`Reader::next`] gives next, if it need not wait for it.
    fn ready(&mut self) -> Option<Result<Option<KeeperFrame>, ProtocolError>> {
        loop {
            match self.decoded() {
                Ok(None) => {}
                other => return Some(other),
            }
            let read = match self.half.try_read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                read => read,
            };
            match self.fed(read) {
                Ok(true) => {}
                Ok(false) => return Some(Ok(None)),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next frame of what was read.
    fn decoded(&mut self) -> Result<Option<KeeperFrame>, ProtocolError> {
        while let Some(raw) = self.decoder.next_frame()? {
            if let Some(frame) = KeeperFrame::decode(&raw)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Hands over what was read into the buffer; `false` at the end of the connection.
    fn fed(&mut self, read: io::Result<usize>) -> Result<bool, ProtocolError> {
        let count = match read {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.decoder
            .feed(self.buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    fn data(offset: u64, bytes: &[u8]) -> KeeperFrame {
        let bytes = bytes.to_vec();
        KeeperFrame::Data { offset, bytes }
    }

    /// A reader for which these frames lie ready and the keeper has gone.
    async fn after(frames: &[KeeperFrame]) -> Reader {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for frame in frames {
            theirs.write_all(&frame.encode()).await.unwrap();
        }
        drop(theirs);
        Reader::new(ours.into_split().0)
    }

    #[tokio::test]
    async fn output_that_lies_ready_comes_as_one_frame() {
        let frames = [
            data(7, b"ab"),
            data(9, b"cde"),
            KeeperFrame::Unblocked,
            data(12, b"f"),
            data(20, b"behind a gap"),
            data(32, b"!"),
        ];
        let mut reader = after(&frames).await;
        for expected in [
            data(7, b"abcde"),
            KeeperFrame::Unblocked,
            data(12, b"f"),
            data(20, b"behind a gap!"),
        ] {
            assert_eq!(reader.next().await.unwrap(), Some(expected));
        }
        assert_eq!(reader.next().await.unwrap(), None);
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_gathered_is_bounded_and_whole() {
        let part = vec![b'x'; 32 * 1024];
        let offset = |n: usize| u64::try_from(n * part.len()).unwrap();
        let frames: Vec<_> = (0..6).map(|n| data(offset(n), &part)).collect();
        // More than a socket holds.
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let writing = tokio::spawn(async move {
            for frame in frames {
                theirs.write_all(&frame.encode()).await.unwrap();
            }
        });
        let mut reader = Reader::new(ours.into_split().0);
        let mut end = 0;
        while let Some(frame) = reader.next().await.unwrap() {
            let KeeperFrame::Data { offset, bytes } = frame else {
                panic!("{frame:?}");
            };
            assert_eq!(offset, end);
            assert!(bytes.len() < GATHERED + part.len());
            end += u64::try_from(bytes.len()).unwrap();
        }
        assert_eq!(end, offset(6));
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn output_in_front_of_a_broken_frame_is_not_lost() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&data(0, b"ab").encode()).await.unwrap();
        theirs.write_all(&[0xff; 16]).await.unwrap();
        let mut reader = Reader::new(ours.into_split().0);
        assert_eq!(reader.next().await.unwrap(), Some(data(0, b"ab")));
        assert!(reader.next().await.is_err());
    }
}
