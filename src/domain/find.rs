//! What a find asks for: conditions over fields, an order, a page (contract/agor.md 2).
//!
//! Never a column of a table: the store says what stands for a field.

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test<T> {
    /// It is this.
    Is(T),
    /// It is something else, or nothing.
    IsNot(T),
    /// It is one of these.
    In(Vec<T>),
    /// It is none of these.
    NotIn(Vec<T>),
    /// It is below this.
    Below(T),
    /// It is this or below it.
    AtMost(T),
    /// It is above this.
    Above(T),
    /// It is this or above it.
    AtLeast(T),
    /// It is nothing.
    Absent,
    /// It is something.
    Present,
}

/// A condition over fields of type `F`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition<F> {
    /// Of a field that is a text.
    Text(F, Test<String>),
    /// Of a field that is a number or a time, in ms since the epoch.
    Number(F, Test<i64>),
    /// Every one of these holds; none: always.
    All(Vec<Self>),
    /// At least one of these holds; none: never.
    Any(Vec<Self>),
}

impl<F> Default for Condition<F> {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// In which direction a field orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The smallest first.
    Up,
    /// The largest first.
    Down,
}

/// A find.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Find<F> {
    /// What matches.
    pub condition: Condition<F>,
    /// The order; ties are broken by the id.
    pub sort: Vec<(F, Direction)>,
    /// At most so many.
    pub limit: usize,
    /// After so many.
    pub skip: usize,
}

/// Fields that sessions are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionField {
    /// Its id.
    Id,
    /// Whose it is.
    Owner,
    /// The program.
    Kind,
    /// The core status.
    Status,
    /// Its name.
    Name,
    /// Its topic.
    Topic,
    /// The model.
    Model,
    /// The permission mode.
    Mode,
    /// The workspace.
    Workspace,
    /// The session that it comes from.
    Parent,
    /// How it comes from it.
    ParentReason,
    /// When it was made.
    CreatedAt,
    /// When its status last changed.
    UpdatedAt,
}

/// Fields that tasks are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskField {
    /// Its id.
    Id,
    /// The session whose queue it is in.
    Session,
    /// Who asked for it.
    Owner,
    /// The core state.
    State,
    /// Its place in the session's order.
    Order,
    /// When it was accepted.
    CreatedAt,
    /// When the agent acknowledged it.
    StartedAt,
    /// When it ended.
    EndedAt,
}
