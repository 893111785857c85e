//! A thread that owns its state, and the desk where others ask it for something.
//!
//! Nobody locks the state: a question is a closure that the owner runs between two
//! batches of packets, so a slow asker never holds a packet up.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::os::Bell;

type Question<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The thread behind the desk has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it is closed")
    }
}

impl std::error::Error for Closed {}

/// The asking side.  Dropping or closing it ends the thread.
pub struct Desk<S> {
    questions: Mutex<Option<Sender<Question<S>>>>,
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The owner's side: look at it whenever the bell rings.
pub struct Inbox<S> {
    questions: Receiver<Question<S>>,
    bell: Arc<Bell>,
}

impl<S> Inbox<S> {
    /// The bell to watch while waiting for packets.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Answer all questions; false when nobody can ask any more and the thread shall end.
    pub fn answer(&self, state: &mut S) -> bool {
        self.bell.hush();
        loop {
            match self.questions.try_recv() {
                Ok(question) => question(state),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }
}

impl<S: Send + 'static> Desk<S> {
    /// Start a thread called `name` that runs `work` with its state and its inbox.
    ///
    /// # Errors
    /// The system's, when descriptors or threads run out.
    pub fn open(name: &str, state: S, work: impl FnOnce(S, Inbox<S>) + Send + 'static) -> io::Result<Self> {
        let (sender, questions) = mpsc::channel();
        let bell = Arc::new(Bell::new()?);
        let inbox = Inbox { questions, bell: Arc::clone(&bell) };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(state, inbox))?;
        Ok(Self { questions: Mutex::new(Some(sender)), bell, thread: Mutex::new(Some(thread)) })
    }

    /// Have the owner run `question` between two batches; wait for what it returns.
    ///
    /// # Errors
    /// `Closed` when the thread has ended.
    pub fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Closed> {
        let (answer, answers) = mpsc::sync_channel(1);
        let boxed: Question<S> = Box::new(move |state| {
            // The asker waits for it below; it cannot be gone.
            let _ = answer.send(question(state));
        });
        let guard = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = guard.as_ref().map(|sender| sender.send(boxed));
        drop(guard);
        sent.ok_or(Closed)?.map_err(|_| Closed)?;
        self.bell.ring();
        answers.recv().map_err(|_| Closed)
    }

    /// End the thread and wait for it.  A second call does nothing.
    pub fn close(&self) {
        drop(lock(&self.questions).take());
        self.bell.ring();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of the thread has been printed by it; there is nothing left to undo.
            let _ = thread.join();
        }
    }
}

impl<S> Drop for Desk<S> {
    fn drop(&mut self) {
        drop(lock(&self.questions).take());
        self.bell.ring();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
